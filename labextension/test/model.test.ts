import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { SidebarModel } from '../src/model';
import type { IModelRow } from '../src/types';
import { estimate, row, ScriptedApi } from './fakes';

let api: ScriptedApi;
let model: SidebarModel;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  api = new ScriptedApi();
  model = new SidebarModel(api);
});

afterEach(() => {
  model.dispose();
  mock.timers.reset();
});

/** Lets promises settle, then time pass, then promises settle again. */
async function pass(milliseconds: number): Promise<void> {
  await settle();
  mock.timers.tick(milliseconds);
  await settle();
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => setImmediate(resolve));
  }
}

async function show(): Promise<void> {
  model.active = true;
  await pass(0);
}

test('asks nothing before it is seen, nor after', async () => {
  await pass(10_000);
  assert.equal(api.asked, 0);
  await show();
  assert.equal(api.asked, 1);
  model.active = false;
  await pass(10_000);
  assert.equal(api.asked, 1);
});

test('asks every 2 s, and every 1 s while a model loads or answers', async () => {
  api.rows = async () => [row('a')];
  await show();
  await pass(1000);
  assert.equal(api.asked, 1);
  api.rows = async () => [row('a', { state: 'loaded', active: 1 })];
  await pass(1000);
  assert.equal(api.asked, 2);
  await pass(1000);
  assert.equal(api.asked, 3);
});

test('backs off while the server is away, and forgets the banner when it is back', async () => {
  api.rows = async () => [row('a')];
  await show();
  api.rows = () => Promise.reject(new Unreachable());
  for (let second = 0; second < 60; second++) {
    await pass(1000);
  }
  assert.equal(model.state.problem?.title, 'Not connected');
  assert.equal(model.state.rows?.length, 1, 'what was last known stays');
  assert.ok(api.asked < 20, `${api.asked} requests in a minute`);
  api.rows = async () => [row('a')];
  for (let second = 0; second < 16; second++) {
    await pass(1000);
  }
  assert.equal(model.state.problem, null);
});

test('a load shows at once, then by the polled progress', async () => {
  api.rows = async () => [row('a')];
  await show();
  let answer: (value: IModelRow) => void = () => undefined;
  api.loads = () => new Promise(resolve => (answer = resolve));
  const done = model.load('a');
  assert.equal(model.state.pending.get('a'), 'load');
  answer(row('a', { state: 'loading', progress: 0 }));
  await done;
  assert.equal(model.state.pending.size, 0);
  assert.equal(model.state.rows?.[0]?.state, 'loading');
  api.rows = async () => [row('a', { state: 'loading', progress: 0.43 })];
  await pass(0);
  assert.equal(model.state.rows?.[0]?.progress, 0.43);
  assert.equal(model.state.announcement, 'a is loading.');
});

test('an answer older than an action does not undo it', async () => {
  api.rows = async () => [row('a')];
  await show();
  let late: (value: IModelRow[]) => void = () => undefined;
  api.rows = () => new Promise(resolve => (late = resolve));
  model.refresh();
  await pass(0);
  const old = late;
  await model.load('a');
  old([row('a')]);
  await settle();
  assert.equal(model.state.rows?.[0]?.state, 'loading');
});

test('a refused action stays in its row until it is dismissed', async () => {
  const error = { message: 'It does not fit.', code: 'insufficient_memory', needed_bytes: 5 };
  api.rows = async () => [row('a')];
  api.loads = () => Promise.reject(new ApiError(503, error));
  await show();
  await model.load('a');
  await pass(5000);
  assert.deepEqual(model.state.notices.get('a'), { action: 'load', error });
  model.dismiss('a');
  assert.equal(model.state.notices.size, 0);
});

test('a forced unload overtakes a draining one', async () => {
  api.rows = async () => [row('a', { state: 'unloading', active: 2 })];
  await show();
  let refuse: (reason: unknown) => void = () => undefined;
  api.unloads = (id, force) => (force ? Promise.resolve(row(id)) : new Promise((_, reject) => (refuse = reject)));
  const draining = model.unload('a');
  const forced = model.unload('a', true);
  assert.equal(model.state.pending.get('a'), 'force-unload');
  refuse(new ApiError(409, { message: 'ended by force', code: 'model_busy' }));
  await Promise.all([draining, forced]);
  assert.equal(model.state.notices.size, 0);
  assert.equal(model.state.pending.size, 0);
  assert.equal(model.state.rows?.[0]?.state, 'available');
});

test('a server without the extension is told apart from none at all', async () => {
  api.rows = () => Promise.reject(new ApiError(404, { message: 'HTTP 404', code: 'http_404' }));
  await show();
  assert.match(model.state.problem?.message ?? '', /server extension enable/);
});

test('a load that waits for memory is looked at every second', async () => {
  api.rows = async () => [row('a', { state: 'queued' })];
  await show();
  await pass(1000);
  assert.equal(api.asked, 2);
});

test('a pin is sent with a load, and its absence is no opinion', async () => {
  api.rows = async () => [row('a', { state: 'loaded' })];
  api.loads = async id => row(id, { state: 'loaded', pinned: true });
  await show();
  await model.pin('a', true);
  assert.equal(model.state.rows?.[0]?.pinned, true);
  await model.pin('a', false);
  await model.load('a');
  assert.deepEqual(api.pins, [true, false, undefined]);
});

test('verdicts are asked for one after the other, and only about what is seen', async () => {
  api.rows = async () => [row('a'), row('b'), row('c')];
  let answer: () => void = () => undefined;
  api.estimates = id => new Promise(resolve => (answer = () => resolve(estimate(id))));
  await show();
  for (const id of ['a', 'b', 'c']) {
    model.see(id, true);
  }
  model.see('b', false);
  assert.deepEqual(api.estimated, ['a']);
  answer();
  await settle();
  assert.equal(model.state.verdicts.get('a')?.fits, true);
  assert.deepEqual(api.estimated, ['a', 'c']);
  answer();
  await pass(10_000);
  assert.deepEqual(api.estimated, ['a', 'c'], 'nothing has changed since');
});

test('a verdict is asked for again when the memory is used otherwise', async () => {
  api.rows = async () => [row('a'), row('b')];
  await show();
  model.see('a', true);
  await settle();
  api.rows = async () => [row('a'), row('b', { state: 'loaded', memory_bytes: 5 })];
  await pass(2000);
  assert.deepEqual(api.estimated, ['a', 'a']);
  api.memory = { total_bytes: 16, available_bytes: 2 };
  api.estimates = () => Promise.reject(new Unreachable());
  await pass(2000);
  assert.deepEqual(api.estimated, ['a', 'a', 'a']);
  assert.equal(model.state.verdicts.size, 0, 'what is not known is not shown');
});
