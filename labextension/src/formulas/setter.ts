import { Listener } from '../listener';

/** What a widget dispatches on an element with formulas in it, bubbling, when it stands in the page. */
export const EVENT = 'jupyter-uml:formulas';

/** JupyterLab's panel of a notebook, whose package is large, as far as it is used here. */
export interface INotebookPanel {
  readonly node: HTMLElement;
  readonly content: {
    readonly rendermime: { readonly latexTypesetter: { typeset(element: HTMLElement): unknown } | null };
  };
}

/** Has JupyterLab set the formulas in a widget, as it does those in the outputs of cells. */
export class FormulaSetter extends Listener {
  constructor(panel: INotebookPanel) {
    const typeset = (element: HTMLElement) => panel.content.rendermime.latexTypesetter?.typeset(element);
    super(panel.node, EVENT, event => void typeset(event.target as HTMLElement));
  }
}
