import assert from 'node:assert/strict';
import { test } from 'node:test';

import { UNKNOWN } from '../src/state';
import { statusText, statusTitle } from '../src/status/text';
import { row, sample } from './fakes';

const MIB = 2 ** 20;
const loaded = (id: string, active = 0) => row(id, { state: 'loaded', memory_bytes: 20 * MIB, active });
const speed = (value: number) => sample(0, { tokens_per_second: value, memory_bytes: 30 * MIB });
const line = (state: Parameters<typeof statusText>[0]) => plain(statusText(state).join(''));
const plain = (text: string) => text.replaceAll('\u00a0', ' ');

test('no model, before the server has answered and when none is loaded', () => {
  assert.equal(line(UNKNOWN), 'No model');
  assert.equal(line({ ...UNKNOWN, models: [row('a'), row('b', { state: 'failed' })] }), 'No model');
});

test('what is being loaded comes first, with its share where that is known', () => {
  const models = [loaded('a'), row('b', { state: 'loading', progress: 0.4 })];
  assert.equal(line({ ...UNKNOWN, models }), 'Loading b 40 %');
  assert.equal(line({ ...UNKNOWN, models: [row('b', { state: 'loading' })] }), 'Loading b');
});

test('a model whose process has died is not gone', () => {
  const models = [loaded('a'), row('b', { state: 'restarting' })];
  assert.equal(line({ ...UNKNOWN, models }), 'Restarting b');
});

test('of several the one that is fastest is named, and the speed is of all together', () => {
  const models = [loaded('a'), loaded('b', 1), loaded('c', 2)];
  const samples = { a: speed(99), b: speed(5), c: speed(20) }; // a has ended its answer meanwhile
  assert.equal(line({ ...UNKNOWN, models, samples }), 'c +2 · 25 tokens/s');
});

test('the worker that profiles share is one, called by its model', () => {
  const up = { ...loaded('a', 1), pid: 7 };
  const models = [{ ...up, id: 'brief', base: 'a' }, up, { ...up, id: 'short', base: 'a' }];
  const samples = { a: speed(20), brief: speed(20), short: speed(20) };
  assert.equal(line({ ...UNKNOWN, models, samples }), 'a · 20 tokens/s');
});

test('the title has a line for each loaded model, and the memory of the machine', () => {
  const models = [loaded('a'), loaded('b', 1), row('c')];
  const memory = { total_bytes: 4096 * MIB, available_bytes: 1024 * MIB };
  assert.deepEqual(plain(statusTitle({ ...UNKNOWN, models, samples: { b: speed(5) }, memory })).split('\n'), [
    'a · 20.0 MiB',
    'b · 30.0 MiB · 5.0 tokens/s',
    'Memory: 1.0 GiB free of 4.0 GiB',
    'Click shows the models.'
  ]);
});

test('without a connection it says so, and why', () => {
  const problem = { title: 'Not connected', message: 'The server is away.' };
  const state = { ...UNKNOWN, models: [loaded('a')], problem };
  assert.equal(line(state), 'Models: not connected');
  assert.equal(statusTitle(state), 'The server is away.\nClick shows the models.');
});
