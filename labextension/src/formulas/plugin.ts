import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { FormulaSetter, type INotebookPanel } from './setter';

/** A widget extension, not the tracker of notebooks: it is there in JupyterLab and in Notebook alike. */
export const formulas: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uml:formulas',
  description: 'Sets the formulas in conversations.',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: panel => new FormulaSetter(panel as unknown as INotebookPanel)
    });
  }
};
