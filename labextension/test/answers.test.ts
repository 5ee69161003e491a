import assert from 'node:assert/strict';
import { test } from 'node:test';

import { follow } from '../src/answers/follower';
import { missing, whole } from '../src/answers/missing';
import { Seen } from '../src/answers/seen';
import type { IAnswerOutput, IAnswersApi, ICell, IGenerationRow, IOutput } from '../src/answers/types';
import { ApiError, Unreachable } from '../src/errors';

const STARTING = new ApiError(503, { message: 'starting', code: 'overloaded' });
const NONE: ReadonlySet<string> = new Set();

class FakeCell implements ICell {
  readonly type = 'code';
  shown: IOutput[];

  constructor(
    readonly id: string,
    shown: IOutput[] = [],
    private readonly _source = '%%uml\nHello'
  ) {
    this.shown = shown;
  }

  readonly sharedModel = { getSource: () => this._source };
  readonly outputs = {
    toJSON: () => structuredClone(this.shown),
    set: (index: number, output: IOutput) => void (this.shown[index] = output),
    fromJSON: (outputs: IOutput[]) => void (this.shown = outputs)
  };
}

function row(id: string, cell: string, more: Partial<IGenerationRow> = {}): IGenerationRow {
  return { id, cell, state: 'running', kind: 'cell', created: 1, ...more };
}

function output(id: string, state: string, text = ''): IOutput {
  const data = { 'text/html': text };
  return { output_type: 'display_data', data, metadata: { jupyter_uml: { generation: id, state } } };
}

function answer(id: string, state: IGenerationRow['state'], text: string): IAnswerOutput {
  const { data, metadata } = output(id, state, text) as unknown as IAnswerOutput;
  return { generation: row(id, 'a', { state }), data, metadata };
}

/** Gives the answers in order; an error is thrown. */
function scripted(...steps: (IAnswerOutput | Error)[]): IAnswersApi {
  const next = async () => {
    const step = steps.shift();
    if (step === undefined || step instanceof Error) {
      throw step ?? new Error('asked too often');
    }
    return step;
  };
  return { generations: async () => [], answer: next };
}

const ids = (cells: ICell[], rows: IGenerationRow[], occasion: 'opened' | 'away', seen = NONE) =>
  missing(cells, rows, occasion, seen).map(({ cell, generation }) => [cell.id, generation.id]);
const follows = (api: IAnswersApi, cell: ICell, isGone = () => false) =>
  follow(api, cell, 'g', isGone, () => Promise.resolve());

test('a page that comes back misses what is not shown, or shown in part', () => {
  const cells = [new FakeCell('a'), new FakeCell('b', [output('g2', 'running')]), new FakeCell('c')];
  const rows = [row('g1', 'a', { state: 'done' }), row('g2', 'b'), row('g3', 'elsewhere')];
  assert.deepEqual(ids(cells, rows, 'opened'), [
    ['a', 'g1'],
    ['b', 'g2']
  ]);
});

test('what is shown whole is not missing, what a restart ended on the page only is', () => {
  const done = [row('g', 'a', { state: 'done' })];
  assert.deepEqual(ids([new FakeCell('a', [output('g', 'done')])], done, 'opened'), []);
  assert.deepEqual(ids([new FakeCell('a', [output('g', 'stopped')])], done, 'away'), [['a', 'g']]);
  assert.deepEqual(ids([new FakeCell('a', [output('g', 'stopped')])], [row('g', 'a', { state: 'stopped' })], 'away'), []);
});

test('what was cleared stays cleared', () => {
  const rows = [row('g', 'a', { state: 'done' })];
  assert.deepEqual(ids([new FakeCell('a')], rows, 'away'), []);
  assert.deepEqual(ids([new FakeCell('a')], rows, 'opened', new Set(['g'])), []);
});

test('only the newest answer of a cell that still asks comes back', () => {
  const rows = [row('old', 'a', { created: 1 }), row('new', 'a', { created: 2 }), row('panel', 'a', { kind: 'panel' })];
  assert.deepEqual(ids([new FakeCell('a')], rows, 'opened'), [['a', 'new']]);
  assert.deepEqual(ids([new FakeCell('a', [], 'print(1)')], rows, 'opened'), []);
});

test('whole answers are told from those under way and from those that a kernel calls stopped', () => {
  const shown = [output('a', 'done'), output('b', 'running'), output('c', 'failed'), output('d', 'stopped')];
  assert.deepEqual(whole([new FakeCell('a', [...shown, { output_type: 'stream' }])]), ['a', 'c']);
});

test('an answer is followed to its end, also past a server that is away for a moment', async () => {
  const cell = new FakeCell('a', [output('older', 'done', 'older')]);
  const api = scripted(answer('g', 'running', 'Hel'), new Unreachable(), STARTING, answer('g', 'done', 'Hello'));
  assert.equal(await follows(api, cell), true);
  assert.deepEqual(cell.shown, [output('g', 'done', 'Hello')]);
});

test('its place among several outputs and its record stay, and the error by which the cell ended goes', async () => {
  const error: IOutput = { output_type: 'error', traceback: ['Stopped.'] };
  const begun = output('g', 'stopped', 'tw');
  Object.assign(begun.metadata!.jupyter_uml!, { seed: 7 });
  const cell = new FakeCell('a', [output('first', 'done', 'one'), begun, error]);
  assert.equal(await follows(scripted(answer('g', 'done', 'two')), cell), true);
  const [first, second, ...more] = cell.shown;
  assert.deepEqual([first, more], [output('first', 'done', 'one'), []]);
  assert.deepEqual(second!['data'], { 'text/html': 'two' });
  assert.deepEqual(second!.metadata!.jupyter_uml, { generation: 'g', state: 'done', seed: 7 });
});

test('a cell that is cleared meanwhile is left alone', async () => {
  const cell = new FakeCell('a');
  const api = scripted(answer('g', 'running', 'Hel'), answer('g', 'done', 'Hello'));
  const asked = api.answer;
  let times = 0;
  api.answer = id => {
    if (times++ === 1) {
      cell.shown = [];
    }
    return asked(id);
  };
  assert.equal(await follows(api, cell), false);
  assert.deepEqual(cell.shown, []);
});

test('nothing is written for what the server has forgotten, or into a notebook that was closed', async () => {
  const cell = new FakeCell('a');
  assert.equal(await follows(scripted(new ApiError(404, { message: 'gone', code: 'not_found' })), cell), false);
  assert.equal(await follows(scripted(answer('g', 'done', 'Hello')), cell, () => true), false);
  assert.deepEqual(cell.shown, []);
});

test('what was seen is remembered, bounded, and a storage that refuses does no harm', () => {
  const held = new Map<string, string>();
  const storage = { getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => void held.set(key, value) };
  const seen = new Seen(storage);
  seen.add(['one', 'two']);
  seen.add(['two']);
  assert.deepEqual([...new Seen(storage).ids], ['one', 'two']);
  seen.add(Array.from({ length: 600 }, (_, index) => `id${index}`));
  assert.equal(seen.ids.size, 500);
  assert.ok(seen.ids.has('id599'));
  const full = {
    getItem: () => '{broken',
    setItem: () => {
      throw new Error('full');
    }
  };
  new Seen(full).add(['one']);
  assert.equal(new Seen(full).ids.size, 0);
});
