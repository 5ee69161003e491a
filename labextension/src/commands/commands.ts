/** What can be asked for by name: in the palette, by a keyboard shortcut, from a menu. */
import { type ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { errorBody, errorTitle } from '../errors';
import { modelCommands } from './models';
import { placeCommands } from './places';
import type { IArgs, ICommand, IParts } from './plan';

const CATEGORY = 'Models';

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

function addCommand({ app }: IParts, command: ICommand): void {
  const { id, label, caption, run } = command;
  const known = Object.fromEntries((command.args ?? []).map(name => [name, ARGS[name]]));
  app.commands.addCommand(id, {
    label: args => (args.isMenu ? CATEGORY : args.isPalette ? label : `${CATEGORY}: ${label}`),
    caption,
    describedBy: { args: { type: 'object', properties: known } },
    execute: async args => {
      try {
        await run(read(args));
      } catch (reason) {
        const error = errorBody(reason);
        await showErrorMessage(errorTitle(error), error.message);
      }
    }
  });
}

function read({ model, confirm, folder }: ReadonlyPartialJSONObject): IArgs {
  return {
    ...(typeof model === 'string' && { model }),
    ...(typeof confirm === 'boolean' && { confirm }),
    ...(typeof folder === 'string' && { folder })
  };
}
