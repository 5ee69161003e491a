import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';

import { answers } from './answers/plugin';
import { KeysModel } from './keys/model';
import { SidebarModel } from './model';
import { ServerApi } from './request';
import { Sidebar } from './sidebar';

namespace CommandIDs {
  export const show = 'uml:show';
  export const refresh = 'uml:refresh';
}

const RANK = 700;

const sidebar: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uml:sidebar',
  description: 'Lists the models, loads and unloads them; makes and revokes API keys.',
  autoStart: true,
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app: JupyterFrontEnd, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const api = new ServerApi(app.serviceManager.serverSettings);
    const model = new SidebarModel(api);
    const keys = new KeysModel(api, text => model.announce(text));
    const widget = new Sidebar(model, keys);
    app.shell.add(widget, 'left', { rank: RANK, type: 'Models' });
    restorer?.add(widget, widget.id);
    addCommands(app, widget, model);
    for (const command of Object.values(CommandIDs)) {
      palette?.addItem({ command, category: 'Models' });
    }
  }
};

function addCommands(app: JupyterFrontEnd, widget: Sidebar, model: SidebarModel): void {
  app.commands.addCommand(CommandIDs.show, {
    label: args => (args.isMenu ? 'Models' : 'Models: Show the model launcher'),
    caption: 'Show the models of this server in the sidebar',
    describedBy: { args: { type: 'object', properties: { isMenu: { type: 'boolean' } } } },
    execute: () => app.shell.activateById(widget.id)
  });
  app.commands.addCommand(CommandIDs.refresh, {
    label: 'Models: Refresh',
    caption: 'Read the list of models again',
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => {
      app.shell.activateById(widget.id);
      model.refresh();
    }
  });
}

export default [sidebar, answers];
