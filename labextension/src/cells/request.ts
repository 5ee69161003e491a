/** What a widget asks for that has cells to be put into its notebook. */

/** Dispatched on the widget's own element, bubbling. Whoever does it prevents the default. */
export const EVENT = 'jupyter-uml:cells';

const MOST = 1000;

/** A cell in the notebook format. */
export interface INewCell {
  cell_type: 'markdown' | 'code';
  source: string;
  metadata: Record<string, never>;
}

/** The cells that an event brings: only kinds and texts are taken from it. None where something is wrong with it. */
export function cellsOf(detail: unknown): INewCell[] {
  const cells: unknown = (detail as { cells?: unknown } | null)?.cells;
  if (!Array.isArray(cells) || cells.length > MOST) {
    return [];
  }
  const made = cells.map(newCell);
  return made.every(cell => cell !== null) ? made : [];
}

function newCell(cell: { kind?: unknown; source?: unknown } | null): INewCell | null {
  const { kind, source } = cell ?? {};
  if ((kind !== 'markdown' && kind !== 'code') || typeof source !== 'string') {
    return null;
  }
  return { cell_type: kind, source, metadata: {} };
}
