import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CellInserter, type INotebookPanel } from '../src/cells/notebook';
import { EVENT, type INewCell, cellsOf } from '../src/cells/request';

const CELLS = [
  { kind: 'markdown', source: 'Hello' },
  { kind: 'code', source: 'x = 1', outputs: ['planted'], metadata: { trusted: true } }
];

/** A notebook of three cells; the event comes from within one of them, or from elsewhere. */
class Fake {
  inserted: [number, INewCell[]][] = [];
  readonly node = new EventTarget();
  readonly panel = {
    node: this.node,
    content: {
      widgets: [0, 1, 2].map(place => ({ node: { contains: () => place === this.place } })),
      model: { sharedModel: { insertCells: (...all: [number, INewCell[]]) => this.inserted.push(all) } }
    }
  } as unknown as INotebookPanel;

  constructor(private readonly place: number) {}

  ask(detail: unknown): boolean {
    return !this.node.dispatchEvent(new CustomEvent(EVENT, { cancelable: true, detail }));
  }
}

test('cells come below the one that asks, with nothing but their kinds and texts', () => {
  const fake = new Fake(1);
  const inserter = new CellInserter(fake.panel);
  assert.equal(fake.ask({ cells: CELLS }), true);
  assert.deepEqual(fake.inserted, [
    [2, [
      { cell_type: 'markdown', source: 'Hello', metadata: {} },
      { cell_type: 'code', source: 'x = 1', metadata: {} }
    ]]
  ]);
  inserter.dispose();
  assert.equal(fake.ask({ cells: CELLS }), false);
});

test('what does not come from a cell is left to others', () => {
  const fake = new Fake(-1);
  new CellInserter(fake.panel);
  assert.equal(fake.ask({ cells: CELLS }), false);
  assert.deepEqual(fake.inserted, []);
});

test('what is no cell makes none', () => {
  for (const detail of [null, 1, {}, { cells: 'x' }, { cells: [null] }, { cells: [{ kind: 'raw', source: '' }] },
    { cells: [...CELLS, { kind: 'code', source: 1 }] }, { cells: Array(1001).fill(CELLS[0]) }]) {
    assert.deepEqual(cellsOf(detail), []);
  }
});
