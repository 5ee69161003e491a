import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { CellInserter, type INotebookPanel } from './notebook';

/** A widget extension, not the tracker of notebooks: it is there in JupyterLab and in Notebook alike. */
export const cells: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uml:cells',
  description: 'Puts a conversation into cells of its notebook.',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: panel => new CellInserter(panel as unknown as INotebookPanel)
    });
  }
};
