import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';

import { addCard, addCommands } from './commands/commands';
import { KeysModel } from './keys/model';
import { LiveStore } from './live';
import { ModelActions } from './models/actions';
import { ModelsStore } from './models/store';
import { ServerApi } from './request';
import { Sections } from './sections';
import { Settings } from './settings';
import { Sidebar } from './sidebar';
import { StatusItem } from './status/item';

const ID = 'jupyter-uml:sidebar';
const RANK = 700;
const STATUS_RANK = 100;

/** All that it can do without is optional: Notebook has no status bar, and its list of files has less. */
export const sidebar: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Lists the models, loads and unloads them; shows what runs; makes and revokes API keys.',
  autoStart: true,
  optional: [ILayoutRestorer, ICommandPalette, ISettingRegistry, IStatusBar, ILauncher, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ) => {
    const api = new ServerApi(app.serviceManager.serverSettings);
    const baseUrl = new URL(PageConfig.getBaseUrl(), window.location.href).href;
    const live = new LiveStore(api);
    const models = new ModelsStore(api, live);
    const settings = new Settings();
    const actions = new ModelActions(models, settings, baseUrl);
    const announce = (text: string) => models.announce(text);
    const sections = new Sections(api, live, new KeysModel(api, announce), announce, baseUrl);
    const widget = new Sidebar(models, live, actions, sections, settings);
    const open = () => app.shell.activateById(widget.id);
    app.shell.add(widget, 'left', { rank: RANK, type: 'Models' });
    restorer?.add(widget, widget.id);
    addCommands({ app, live, models, actions, sections, open, baseUrl }, palette);
    addCard(launcher, translator);
    addStatus(statusBar, settings, new StatusItem(live, open));
    const follow = (read: ISettingRegistry.ISettings) => {
      settings.follow(read);
      sections.unfold(settings.current.openSections);
    };
    registry?.load(ID).then(follow, reason => console.warn('The settings of the sidebar cannot be read:', reason));
  }
};

/** While the settings say so. */
function addStatus(statusBar: IStatusBar | null, settings: Settings, item: StatusItem): void {
  statusBar?.registerStatusItem(`${ID}-status`, {
    item,
    align: 'right',
    rank: STATUS_RANK,
    priority: 1, // a narrow window has room for it, too
    isActive: () => settings.current.statusBar,
    activeStateChanged: settings.changed
  });
}
