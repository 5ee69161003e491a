import type { IModelRow, ModelState } from '../types';

// A failure is left out: its message in the row is an alert of its own.
const WORDS: Readonly<Partial<Record<ModelState, string>>> = {
  queued: 'waits for memory',
  loading: 'is loading',
  loaded: 'is loaded',
  unloading: 'is being unloaded',
  restarting: 'is restarting'
};

/** One sentence for each model whose state changed; nothing for the first list. */
export function changes(before: readonly IModelRow[] | null, after: readonly IModelRow[]): string {
  const states = new Map((before ?? []).map(row => [row.id, row.state]));
  return after
    .filter(row => states.has(row.id) && states.get(row.id) !== row.state)
    .map(row => sentence(row, states.get(row.id)!))
    .filter(text => text !== '')
    .join(' ');
}

function sentence(row: IModelRow, before: ModelState): string {
  if (row.state === 'available') {
    return before === 'failed' ? '' : `${row.id} is unloaded.`;
  }
  const words = WORDS[row.state];
  return words ? `${row.id} ${words}.` : '';
}
