import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { LiveStore } from '../src/live';
import { row, sample, ScriptedApi } from './fakes';
import { pass, settle } from './settle';

let api: ScriptedApi;
let live: LiveStore;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  api = new ScriptedApi();
  live = new LiveStore(api);
});

afterEach(() => {
  live.dispose();
  mock.timers.reset();
});

const ids = () => live.state.models?.map(({ id }) => id);

test('listens while at least one looks, and asks nothing else then', async () => {
  assert.equal(api.sockets, 0);
  const [one, other] = [live.watch(), live.watch()];
  assert.equal(api.sockets, 1);
  one.dispose();
  api.tell({ order: ['a'], models: [row('a')], version: '1' });
  for (let second = 0; second < 10; second++) {
    await pass(1000);
  }
  assert.deepEqual([ids(), api.asked], [['a'], 0]);
  other.dispose();
  api.tell({ order: [], models: [] });
  await pass(60_000);
  assert.deepEqual([ids(), api.asked, api.sockets], [['a'], 0, 1]);
});

test('a message changes what it names, and the order says who is gone', () => {
  live.watch();
  api.tell({ order: ['a', 'b'], models: [row('a'), row('b')], memory: { total_bytes: 2, available_bytes: 1 } });
  api.tell({ models: [row('b', { state: 'loaded', memory_bytes: 5 })], samples: { b: sample(1) } });
  assert.deepEqual(ids(), ['a', 'b']);
  assert.equal(live.state.models?.[1]?.state, 'loaded');
  assert.equal(live.state.memory?.available_bytes, 1);
  api.tell({ samples: { b: sample(3) } });
  assert.equal(live.state.samples.b?.time, 3);
  api.tell({ order: ['a'] });
  assert.deepEqual([ids(), live.state.samples], [['a'], {}]);
});

test('where no socket can be opened it asks every second, and tries a socket ever less often', async () => {
  api.rows = async () => [row('a', { memory_bytes: 7, state: 'loaded' })];
  live.watch();
  for (let second = 0; second < 30; second++) {
    api.hangUp();
    await pass(1000);
  }
  assert.ok(api.asked >= 28, `${api.asked} readings`);
  assert.ok(api.sockets >= 3 && api.sockets <= 6, `${api.sockets} sockets`);
  assert.equal(live.state.samples.a?.memory_bytes, 7, 'the plots go on by what rows say');
  assert.equal(live.state.problem, null);
});

test('a server that is away is told apart from a lost socket, and what was known stays', async () => {
  live.watch();
  api.tell({ order: ['a'], models: [row('a')] });
  api.rows = () => Promise.reject(new Unreachable());
  api.hangUp();
  await pass(0);
  assert.equal(live.state.problem?.title, 'Not connected');
  assert.deepEqual(ids(), ['a']);
  api.rows = async () => [row('b')];
  await pass(2000);
  assert.deepEqual([live.state.problem, ids()], [null, ['b']]);
});

test('a server without the extension says how to enable it', async () => {
  api.rows = () => Promise.reject(new ApiError(404, { message: 'HTTP 404', code: 'http_404' }));
  live.watch();
  api.hangUp();
  await pass(0);
  assert.match(live.state.problem?.message ?? '', /server extension enable/);
});

test('a socket that says nothing is found out', async () => {
  live.watch();
  api.tell({ order: ['a'], models: [row('a')] });
  api.rows = () => Promise.reject(new Unreachable());
  for (let second = 0; second < 16; second++) {
    await pass(1000);
  }
  assert.equal(live.state.problem?.title, 'Not connected');
});

test('a socket that did not tell of a change is opened anew', async () => {
  live.watch();
  api.tell({ order: ['a'], models: [row('a')] });
  api.rows = async () => [row('a')];
  await pass(15_000);
  assert.deepEqual([api.asked, api.sockets], [1, 1]);
  api.rows = async () => [row('a', { state: 'loaded' })];
  await pass(15_000);
  assert.deepEqual([live.state.models?.[0]?.state, api.sockets], ['loaded', 2]);
  const { asked } = api;
  for (let second = 0; second < 5; second++) {
    await pass(1000);
  }
  assert.ok(api.asked >= asked + 4, 'until it tells something, the server is asked each second');
});

test('an action’s answer counts only where the server has told nothing newer', async () => {
  live.watch();
  api.tell({ order: ['a'], models: [row('a')] });
  const { heard } = live;
  live.put(row('a', { state: 'loading' }), heard);
  assert.equal(live.state.models?.[0]?.state, 'loading');
  api.tell({ models: [row('a', { state: 'loaded' })] });
  live.put(row('a', { state: 'loading' }), heard);
  assert.equal(live.state.models?.[0]?.state, 'loaded');
});

test('a reading that is older than an action or a message does not undo it', async () => {
  live.watch();
  api.tell({ order: ['a'], models: [row('a')] });
  let late: (rows: ReturnType<typeof row>[]) => void = () => undefined;
  api.rows = () => new Promise(resolve => (late = resolve));
  live.refresh();
  await pass(0);
  api.tell({ models: [row('a', { state: 'loaded' })] });
  late([row('a')]);
  await settle();
  assert.equal(live.state.models?.[0]?.state, 'loaded');
});

test('the time that is left runs down without a word of the server', () => {
  live.watch();
  api.tell({ order: ['a'], models: [row('a', { expires_in: 60 })] });
  const left = (live.state.models?.[0]?.expires_at ?? 0) - Date.now() / 1000;
  assert.ok(left > 55 && left <= 60, `${left} s`);
});

test('the state as it is now is asked for, and no socket opened for it', async () => {
  api.rows = async () => [row('a', { state: 'loaded', active: 1 })];
  assert.equal((await live.now()).models?.[0]?.active, 1);
  api.rows = () => Promise.reject(new Unreachable());
  await assert.rejects(live.now(), Unreachable);
  api.rows = async () => [row('b')];
  assert.deepEqual((await live.now()).models?.map(({ id }) => id), ['b']);
  assert.deepEqual([live.isWatched, api.sockets], [false, 0]);
  live.watch();
  api.tell({ order: ['c'], models: [row('c')] });
  api.rows = async () => [row('d')]; // of which nobody has told yet
  assert.deepEqual((await live.now()).models?.map(({ id }) => id), ['d']);
});
