import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { CodeCopier } from './copier';

/** A widget extension, not the tracker of notebooks: it is there in JupyterLab and in Notebook alike. */
export const code: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uml:code',
  description: 'Copies code out of the answers of cells.',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    app.docRegistry.addWidgetExtension('Notebook', { createNew: panel => new CodeCopier(panel.node) });
  }
};
