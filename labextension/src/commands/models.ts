/** Commands about models. */
import { plural } from '../format';
import type { IModelRow } from '../types';
import { agreed, chosen, type IChoice, told } from './dialogs';
import type { IArgs, ICommand, IParts } from './plan';

type Test = (row: IModelRow) => boolean;

const isUsable: Test = row => row.reason === null;
const canLoad: Test = row => isUsable(row) && (row.state === 'available' || row.state === 'failed');
const isUp: Test = row => ['queued', 'loading', 'loaded', 'restarting'].includes(row.state);
const isIdle: Test = row => row.state === 'loaded' && row.active === 0 && row.waiting === 0 && !row.pinned;

const LOAD: IChoice = {
  title: 'Load a model',
  none: 'No model is left that could be loaded. “Pull a model…” brings another one.',
  test: canLoad
};
const UNLOAD: IChoice = { title: 'Unload a model', none: 'No model is loaded.', test: isUp };
const COPY: IChoice = {
  title: 'Copy openai code',
  none: 'There is no model yet. “Pull a model…” brings one.',
  test: isUsable
};

export function modelCommands(parts: IParts): ICommand[] {
  const { actions, open } = parts;
  return [
    {
      id: 'uml:load',
      label: 'Load a model…',
      caption: 'Load a model, with the options that were chosen for it in the sidebar',
      ...one(parts, LOAD, row => {
        open();
        actions.load(row.id);
      })
    },
    {
      id: 'uml:unload',
      label: 'Unload a model…',
      caption: 'Give back the memory of a model; its answers are waited for',
      ...one(parts, UNLOAD, row => unload(parts, [row], false))
    },
    {
      id: 'uml:unload-idle',
      label: 'Unload all idle models',
      caption: 'Give back the memory of each model that answers nobody and is not pinned',
      run: () => unloadIdle(parts)
    },
    {
      id: 'uml:unload-all',
      label: 'Unload all models…',
      caption: 'Give back the memory of all models; their answers are cut off',
      args: ['confirm'],
      run: ({ confirm }) => unloadAll(parts, confirm)
    },
    {
      id: 'uml:copy-code',
      label: 'Copy openai code…',
      caption: 'Copy a Python program that asks a model through the openai package',
      ...one(parts, COPY, row => copy(parts, row))
    }
  ];
}

/** About one model. */
function one({ live }: IParts, choice: IChoice, act: (row: IModelRow) => unknown): Pick<ICommand, 'args' | 'run'> {
  return {
    args: ['model'],
    run: async ({ model }: IArgs) => {
      const row = await chosen(choice, (await live.now()).models ?? [], model);
      return row && act(row);
    }
  };
}

/** A failure stands in the model's row: show it. */
async function unload({ actions, models, open }: IParts, rows: readonly IModelRow[], force: boolean): Promise<void> {
  await Promise.all(rows.map(row => actions.unload(row.id, force)));
  if (rows.some(row => models.state.notices.has(row.id))) {
    open();
  }
}

async function unloadIdle(parts: IParts): Promise<void> {
  const rows = ((await parts.live.now()).models ?? []).filter(isIdle);
  if (rows.length === 0) {
    await told('Unload all idle models', 'No model is idle: those that answer, or are pinned, stay.');
  }
  await unload(parts, rows, false);
}

async function unloadAll(parts: IParts, confirm = true): Promise<void> {
  const rows = ((await parts.live.now()).models ?? []).filter(isUp);
  if (rows.length === 0) {
    return void (confirm && (await told('Unload all models', UNLOAD.none)));
  }
  const answers = rows.reduce((sum, row) => sum + row.active, 0);
  const names = rows.map(row => row.id).join(', ');
  const body = answers > 0 ? `${names}. ${plural(answers, 'answer')} under way would be cut off.` : names;
  if (!confirm || (await agreed(`Unload ${plural(rows.length, 'model')}?`, body, 'Unload'))) {
    await unload(parts, rows, true);
  }
}

async function copy({ actions, open }: IParts, row: IModelRow): Promise<void> {
  if (!(await actions.copy(row))) {
    open(); // where the code can be copied by hand
  }
}
