/** Commands that show something, and what ends answers. */
import { plural } from '../format';
import { type SectionName, show } from '../sections';
import { address } from '../snippet';
import { CHAT, newChat } from './chat';
import { agreed, told } from './dialogs';
import type { ICommand, IParts } from './plan';

export function placeCommands(parts: IParts): ICommand[] {
  const { app, live, sections, open, baseUrl } = parts;
  return [
    { id: 'uml:show', label: 'Show the models', caption: 'Open the sidebar with the models of this server', run: open },
    {
      id: 'uml:refresh',
      label: 'Refresh the models',
      caption: 'Read again what the sidebar shows',
      run: () => {
        open();
        live.refresh();
        sections.refresh();
      }
    },
    {
      id: 'uml:stop-all',
      label: 'Stop all answers…',
      caption: 'End every answer under way that one may end',
      args: ['confirm'],
      run: ({ confirm }) => stopAll(parts, confirm)
    },
    {
      id: 'uml:pull',
      label: 'Pull a model…',
      caption: 'Bring a model from Hugging Face’s hub',
      args: ['model'],
      run: ({ model }) => {
        openSection(open, 'pull');
        return model === undefined ? undefined : sections.pulls.look(model);
      }
    },
    {
      id: 'uml:new-key',
      label: 'Make an API key…',
      caption: 'Let a program of yours ask the models of this server',
      run: () => openSection(open, 'keys')
    },
    {
      id: 'uml:usage',
      label: 'Show the usage',
      caption: 'Tokens by key and model',
      run: () => openSection(open, 'usage')
    },
    {
      id: CHAT,
      label: 'New chat in a notebook',
      caption: 'Open a new notebook with a chat panel in it',
      args: ['model', 'folder'],
      run: ({ model, folder }) => newChat(app, model, folder)
    },
    {
      id: 'uml:open-docs',
      label: 'Open the API’s documentation',
      caption: 'Every route of this server, in a new tab',
      run: () => void window.open(address(baseUrl, 'docs'), '_blank', 'noopener')
    }
  ];
}

/** It takes the keyboard only after the sidebar has, which does so a moment later. */
function openSection(open: () => void, name: SectionName): void {
  open();
  requestAnimationFrame(() => show(name));
}

async function stopAll({ live, sections }: IParts, confirm = true): Promise<void> {
  const { running } = await live.now();
  const count = running.length;
  if (count === 0) {
    return void (confirm && (await told('Stop all answers', 'Nothing is being answered.')));
  }
  const others = running.filter(({ own }) => !own).length;
  const body = others > 0 ? `${others} of them asked for by others.` : 'What is written so far stays.';
  if (!confirm || (await agreed(`Stop ${plural(count, 'answer')}?`, body, 'Stop'))) {
    await sections.running.stopAll();
  }
}
