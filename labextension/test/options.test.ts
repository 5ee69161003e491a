import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Unreachable } from '../src/errors';
import { LiveStore } from '../src/live';
import { partsAt } from '../src/models/forecasts';
import { areInForce, given, longestContext, summary, whole } from '../src/models/loadoptions';
import { ModelsStore } from '../src/models/store';
import type { IEstimate, ILoadOptions, IMemoryPart, ISettings } from '../src/types';
import { estimate, row, ScriptedApi } from './fakes';
import { pass, settle } from './settle';

const SETTINGS: ISettings = { n_ctx: 1024, n_parallel: 4, n_threads: 1, n_gpu_layers: 0, kv_type: 'f16' };

let api: ScriptedApi;
let live: LiveStore;
let model: ModelsStore;
let asked: (ILoadOptions | undefined)[];

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  asked = [];
  api = new ScriptedApi();
  api.estimates = async (id, options) => (asked.push(options), grown(id, options));
  live = new LiveStore(api);
  model = new ModelsStore(api, live);
  live.watch();
  api.tell({ order: ['a'], models: [row('a')] });
});

afterEach(() => {
  model.dispose();
  live.dispose();
  mock.timers.reset();
});

/** 100 bytes, and one for each token of context. */
function grown(id: string, options: ILoadOptions = {}): IEstimate {
  const parts = [part('weights', 100), part('kv_cache', options.n_ctx ?? 0)];
  return estimate(id, { parts, wished_parts: parts });
}

function part(name: string, ram: number): IMemoryPart {
  return { name, ram, gpu: 0, needed: true };
}

const points = () => model.state.forecasts.get('a') ?? [];
const lengths = () => points().map(({ n_ctx }) => n_ctx);

test('what lies between two lengths of context that are known is told without asking', async () => {
  model.plan('a', 3000);
  await settle();
  assert.deepEqual(lengths(), [256, 512, 1024, 2048, 3000]);
  const before = asked.length;
  const ram = (n_ctx: number) => partsAt(points(), n_ctx).map(part => part.ram);
  assert.deepEqual([256, 700, 2999, 3500].map(ram), [[100, 256], [100, 700], [100, 2999], [100, 3500]]);
  assert.equal(asked.length, before);
});

test('another context changes nothing of what is known of all of them; other options do', async () => {
  model.plan('a', 1000);
  await settle();
  model.choose('a', { n_ctx: 512 });
  await pass(1000);
  assert.deepEqual(lengths(), [256, 512, 1000]);
  assert.equal(asked.length, 3);
  model.choose('a', { n_ctx: 512, kv_type: 'q8_0' });
  assert.deepEqual(lengths(), [], 'what is known no longer holds');
  await pass(1000);
  assert.deepEqual(lengths(), [256, 512, 1000]);
  assert.deepEqual(asked.at(-1), { n_ctx: 1000, kv_type: 'q8_0' });
});

test('options that are folded again are asked about no more', async () => {
  model.plan('a', 1000);
  model.plan('a', 0);
  await pass(1000);
  assert.deepEqual(lengths(), []);
  const before = asked.length;
  model.choose('a', { kv_type: 'q8_0' });
  await pass(1000);
  assert.equal(asked.length, before);
});

test('a verdict says which options it is about', async () => {
  model.see('a', true);
  await settle();
  const options = { n_ctx: 512 };
  model.choose('a', options);
  assert.notEqual(model.state.verdicts.get('a')?.options, options, 'it is of what was chosen before');
  await pass(200);
  assert.equal(model.state.verdicts.get('a')?.options, options);
});

test('a loaded model is judged with what it runs with already', async () => {
  api.tell({ models: [row('a', { state: 'loaded', settings: SETTINGS })] });
  model.choose('a', { n_parallel: 2 });
  model.see('a', true);
  await pass(200);
  assert.deepEqual(asked.at(-1), { n_ctx: 1024, n_parallel: 2, n_gpu_layers: 0, kv_type: 'f16' });
  assert.deepEqual(whole(row('a'), { n_parallel: 2 }), { n_parallel: 2 });
});

test('more than it has is loaded beside it; for less it is unloaded first, and keeps what is left open', async () => {
  const loaded = row('a', { state: 'loaded', settings: SETTINGS, pinned: true });
  let unloads = 0;
  api.unloads = async id => (unloads++, row(id));
  api.tell({ models: [loaded] });
  model.choose('a', { n_ctx: 2048 });
  await model.reload('a');
  assert.deepEqual([unloads, api.options.at(-1), api.pins.at(-1)], [0, { n_ctx: 2048 }, undefined]);
  api.tell({ models: [loaded] });
  model.choose('a', { n_parallel: 2 });
  await model.reload('a');
  assert.equal(unloads, 1);
  assert.deepEqual(api.options.at(-1), { n_ctx: 1024, n_parallel: 2, n_gpu_layers: 0, kv_type: 'f16' });
  assert.equal(api.pins.at(-1), true);
});

test('a reload whose unload was refused ends there', async () => {
  api.tell({ models: [row('a', { state: 'loaded', settings: SETTINGS })] });
  api.unloads = () => Promise.reject(new Unreachable());
  model.choose('a', { n_ctx: 256 });
  await model.reload('a');
  assert.equal(model.state.notices.get('a')?.action, 'unload');
  assert.deepEqual(api.options, []);
});

test('what it was loaded with is remembered, so that nothing is offered twice', async () => {
  model.choose('a', { keep_alive: -1 });
  await model.load('a');
  assert.deepEqual(model.state.applied.get('a'), { keep_alive: -1 });
});

test('settings are in force where contexts differ by no more than they are rounded up', () => {
  assert.ok(areInForce({}, SETTINGS));
  assert.ok(areInForce({ n_ctx: 1000, keep_alive: 5 }, SETTINGS));
  const others: ILoadOptions[] = [{ n_ctx: 512 }, { n_ctx: 1100 }, { n_parallel: 1 }, { kv_type: 'q8_0' }];
  assert.ok(!others.some(options => areInForce(options, SETTINGS)));
});

test('options in words, and the end of the slider', () => {
  const options = given({ n_ctx: 8192, n_parallel: undefined, kv_type: 'q8_0', keep_alive: 7200 });
  assert.equal(summary(options).replaceAll('\u00a0', ' '), '8,192 tokens, KV cache q8_0, kept for 2 hours');
  assert.equal(summary({}), '');
  assert.equal(longestContext(row('a'), estimate('a', { largest_context: 99_999 })), 99_999);
  const facts = { kind: '', architecture: '', parameters: 1, quantisation: '', n_ctx_train: 4096 };
  assert.equal(longestContext(row('a', { facts }), undefined), 4096);
});
