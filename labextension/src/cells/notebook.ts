import { Listener } from '../listener';
import { EVENT, type INewCell, cellsOf } from './request';

/** JupyterLab's panel of a notebook, whose package is large, as far as it is used here. */
export interface INotebookPanel {
  readonly node: HTMLElement;
  readonly content: {
    readonly widgets: readonly { readonly node: HTMLElement }[];
    readonly model: { readonly sharedModel: { insertCells(index: number, cells: INewCell[]): void } } | null;
  };
}

/** Puts cells below the one whose output asks for it. They are shown, and not run. */
export class CellInserter extends Listener {
  constructor(panel: INotebookPanel) {
    super(panel.node, EVENT, event => insert(panel, event as CustomEvent));
  }
}

function insert(panel: INotebookPanel, event: CustomEvent): void {
  const { widgets, model } = panel.content;
  const place = widgets.findIndex(cell => cell.node.contains(event.target as Node));
  const cells = cellsOf(event.detail);
  if (place >= 0 && model !== null && cells.length > 0) {
    model.sharedModel.insertCells(place + 1, cells);
    event.preventDefault();
  }
}
