/** What can be asked for by name: in the palette, by a keyboard shortcut, from a menu. */
import { type ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { ITranslator } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { errorBody, errorTitle } from '../errors';
import { modelsIcon, modelsPicture } from '../icon';
import { CHAT } from './chat';
import { modelCommands } from './models';
import { placeCommands } from './places';
import type { IArgs, ICommand, IParts } from './plan';

const CATEGORY = 'Models';
const CARD = 'Chat with a model';
const CARD_RANK = 1000; // after the usual kernel; the others have none

const ARGS = {
  model: { type: 'string', description: 'Its id; the person is asked without one.' },
  confirm: { type: 'boolean', description: 'false: without a question.' },
  folder: { type: 'string', description: 'Where the new notebook is put.' }
} as const;

export function addCommands(parts: IParts, palette: ICommandPalette | null): void {
  [...placeCommands(parts), ...modelCommands(parts)].forEach(command => {
    addCommand(parts, command);
    palette?.addItem({ command: command.id, category: CATEGORY, args: { isPalette: true } });
  });
}

/** A card among those of the notebooks, which is what it makes; JupyterLab calls them so in the person's language. */
export function addCard(launcher: ILauncher | null, translator: ITranslator | null): void {
  const category = translator?.load('jupyterlab').__('Notebook') ?? 'Notebook';
  const args = { isLauncher: true };
  launcher?.add({ command: CHAT, category, rank: CARD_RANK, args, kernelIconUrl: modelsPicture() });
}

function addCommand({ app }: IParts, command: ICommand): void {
  const { id, label, caption, run } = command;
  const known = Object.fromEntries((command.args ?? []).map(name => [name, ARGS[name]]));
  app.commands.addCommand(id, {
    label: args => (args.isMenu ? CATEGORY : args.isLauncher ? CARD : args.isPalette ? label : `${CATEGORY}: ${label}`),
    caption,
    icon: args => (args.isLauncher ? modelsIcon : undefined),
    describedBy: { args: { type: 'object', properties: known } },
    execute: async args => {
      try {
        return await run(read(args)); // the launcher puts a widget in its own place
      } catch (reason) {
        const error = errorBody(reason);
        await showErrorMessage(errorTitle(error), error.message);
      }
    }
  });
}

/** `cwd` is what the launcher calls the folder. */
function read({ model, confirm, cwd, folder = cwd }: ReadonlyPartialJSONObject): IArgs {
  return {
    ...(typeof model === 'string' && { model }),
    ...(typeof confirm === 'boolean' && { confirm }),
    ...(typeof folder === 'string' && { folder })
  };
}
