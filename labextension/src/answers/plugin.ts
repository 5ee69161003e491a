import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';

import { ServerApi } from '../request';
import { AnsweredNotebook } from './notebook';
import { Seen } from './seen';
import type { ICell } from './types';

/** JupyterLab's model of a notebook, whose package is large, as far as it is used here. */
interface INotebookModel extends DocumentRegistry.IModel {
  readonly cells: Iterable<ICell>;
}

/** A widget extension, not the tracker of notebooks: it is there in JupyterLab and in Notebook alike. */
export const answers: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uml:answers',
  description: 'Brings answers that went on without their notebook back into its cells.',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    const api = new ServerApi(app.serviceManager.serverSettings);
    const seen = new Seen(localStorage);
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (_, context) => {
        const session: ISessionContext = context.sessionContext;
        const model = context.model as INotebookModel;
        return new AnsweredNotebook(api, session, () => [...model.cells].filter(cell => cell.type === 'code'), seen);
      }
    });
  }
};
