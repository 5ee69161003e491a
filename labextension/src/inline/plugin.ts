import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { modelsIcon } from '../icon';
import { ServerApi } from '../request';
import { InlineProvider } from './provider';
import { InlineStatus } from './status';
import type { IInlineSettings } from './types';

const ID = 'jupyter-uml:inline';
const TOGGLE = 'uml:toggle-inline';
const OFF: IInlineSettings = { enabled: false, model: '', maxTokens: 64, context: 6000, earlierCells: true };

export const inline: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Suggests code while somebody types, from a loaded model.',
  autoStart: true,
  requires: [ISettingRegistry],
  optional: [ICompletionProviderManager, ICommandPalette, IStatusBar], // Notebook's list of files has none of them
  activate: async (
    app: JupyterFrontEnd,
    registry: ISettingRegistry,
    completers: ICompletionProviderManager | null,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null
  ) => {
    if (completers === null) {
      return;
    }
    let settings = OFF;
    const provider = new InlineProvider(new ServerApi(app.serviceManager.serverSettings), () => settings, modelsIcon);
    completers.registerInlineProvider(provider);
    addCommand(app, palette, registry, () => settings.enabled);
    // At once, before an editor or a command has seen the key: typing goes on, and the model stops.
    const interrupt = (event: Event) => provider.interrupt(event instanceof KeyboardEvent && event.key === 'Escape');
    document.addEventListener('keydown', interrupt, true);
    document.addEventListener('pointerdown', interrupt, true);
    const status = new InlineStatus(provider);
    statusBar?.registerStatusItem(ID, {
      item: status,
      align: 'right',
      rank: 1,
      isActive: () => status.isActive,
      activeStateChanged: status.activeChanged
    });
    const loaded = await registry.load(ID);
    const read = () => {
      settings = { ...OFF, ...(loaded.composite as Partial<IInlineSettings>) };
      status.isActive = settings.enabled;
      app.commands.notifyCommandChanged(TOGGLE);
      provider.forget();
      if (!settings.enabled) {
        provider.interrupt();
      }
    };
    loaded.changed.connect(read);
    read();
  }
};

function addCommand(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  registry: ISettingRegistry,
  isOn: () => boolean
): void {
  app.commands.addCommand(TOGGLE, {
    label: args => `${args.isPalette ? '' : 'Models: '}Suggest code while typing (inline completion)`,
    caption: 'Switch suggestions of the loaded model on or off',
    isToggleable: true,
    isToggled: isOn,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => registry.set(ID, 'enabled', !isOn())
  });
  palette?.addItem({ command: TOGGLE, category: 'Models', args: { isPalette: true } });
}
