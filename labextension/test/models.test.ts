import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { LiveStore } from '../src/live';
import { contextSteps, stepOf } from '../src/models/contextsteps';
import { ModelsStore } from '../src/models/store';
import { shares } from '../src/fitbar';
import type { ILoadOptions } from '../src/types';
import { estimate, row, sample, ScriptedApi } from './fakes';
import { pass, settle } from './settle';

let api: ScriptedApi;
let live: LiveStore;
let model: ModelsStore;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  api = new ScriptedApi();
  live = new LiveStore(api);
  model = new ModelsStore(api, live);
  live.watch();
});

afterEach(() => {
  model.dispose();
  live.dispose();
  mock.timers.reset();
});

/** What the server says of all its models. */
function tell(...models: ReturnType<typeof row>[]): void {
  api.tell({ order: models.map(({ id }) => id), models });
}

test('a load shows at once, then by what the server tells of it', async () => {
  tell(row('a'));
  const done = model.load('a');
  assert.equal(model.state.pending.get('a'), 'load');
  await done;
  assert.equal(model.state.pending.size, 0);
  assert.equal(model.state.models?.[0]?.state, 'loading');
  tell(row('a', { state: 'loading', progress: 0.43 }));
  assert.equal(model.state.models?.[0]?.progress, 0.43);
});

test('a refused action stays in its row until it is dismissed', async () => {
  const error = { message: 'It does not fit.', code: 'insufficient_memory', needed_bytes: 5 };
  api.loads = () => Promise.reject(new ApiError(503, error));
  tell(row('a'));
  await model.load('a');
  await pass(5000);
  assert.deepEqual(model.state.notices.get('a'), { action: 'load', error });
  model.dismiss('a');
  assert.equal(model.state.notices.size, 0);
});

test('a forced unload overtakes a draining one', async () => {
  tell(row('a', { state: 'unloading', active: 2 }));
  let refuse: (reason: unknown) => void = () => undefined;
  api.unloads = (id, force) => (force ? Promise.resolve(row(id)) : new Promise((_, reject) => (refuse = reject)));
  const draining = model.unload('a');
  const forced = model.unload('a', true);
  assert.equal(model.state.pending.get('a'), 'force-unload');
  refuse(new ApiError(409, { message: 'ended by force', code: 'model_busy' }));
  await Promise.all([draining, forced]);
  assert.equal(model.state.notices.size, 0);
  assert.equal(model.state.pending.size, 0);
  assert.equal(model.state.models?.[0]?.state, 'available');
});

test('a pin is sent with a load, and its absence is no opinion', async () => {
  api.loads = async id => row(id, { state: 'loaded', pinned: true });
  tell(row('a', { state: 'loaded' }));
  await model.pin('a', true);
  assert.equal(model.state.models?.[0]?.pinned, true);
  await model.pin('a', false);
  await model.load('a');
  assert.deepEqual(api.pins, [true, false, undefined]);
});

test('verdicts are asked for one after the other, and only about what is seen', async () => {
  let answer: () => void = () => undefined;
  api.estimates = id => new Promise(resolve => (answer = () => resolve(estimate(id))));
  tell(row('a'), row('b'), row('c'));
  for (const id of ['a', 'b', 'c']) {
    model.see(id, true);
  }
  model.see('b', false);
  assert.deepEqual(api.estimated, ['a']);
  answer();
  await settle();
  assert.equal(model.state.verdicts.get('a')?.estimate?.fits, true);
  assert.deepEqual(api.estimated, ['a', 'c']);
  answer();
  await pass(10_000);
  assert.deepEqual(api.estimated, ['a', 'c'], 'nothing has changed since');
});

test('a verdict is asked for again when the memory is used otherwise', async () => {
  tell(row('a'), row('b'));
  model.see('a', true);
  await settle();
  tell(row('a'), row('b', { state: 'loaded', memory_bytes: 5 }));
  await settle();
  assert.deepEqual(api.estimated, ['a', 'a']);
  api.estimates = () => Promise.reject(new Unreachable());
  api.tell({ memory: { total_bytes: 16, available_bytes: 2 } });
  await settle();
  assert.deepEqual(api.estimated, ['a', 'a', 'a']);
  assert.equal(model.state.verdicts.get('a')?.estimate, undefined, 'what is not known is not shown');
});

test('the options that were chosen are judged, and loaded with; a pin says nothing of them', async () => {
  tell(row('a'));
  const asked: (ILoadOptions | undefined)[] = [];
  api.estimates = async (id, options) => (asked.push(options), estimate(id));
  model.see('a', true);
  await settle();
  for (const n_ctx of [1024, 1536, 2048]) {
    model.choose('a', { n_ctx });
  }
  await pass(200);
  assert.deepEqual(asked, [undefined, { n_ctx: 2048 }], 'a slider that is moved asks once in a while');
  await model.load('a');
  await model.pin('a', true);
  model.choose('a', {});
  await model.load('a');
  assert.deepEqual(api.options, [{ n_ctx: 2048 }, {}, {}]);
});

test('figures over time are what the server remembers, and what it tells from then on', async () => {
  api.histories = async () => [sample(1), sample(3)];
  tell(row('a', { state: 'loaded', memory_bytes: 5 }));
  api.tell({ samples: { a: sample(3) } });
  model.watch('a', true);
  await settle();
  api.tell({ samples: { a: sample(5) } });
  const times = () => model.state.histories.get('a')?.map(({ time }) => time);
  assert.deepEqual(times(), [1, 3, 5]);
  api.histories = async () => [sample(5), sample(20), sample(40)];
  api.tell({ samples: { a: sample(40) } });
  await settle();
  assert.deepEqual(times(), [5, 20, 40], 'what was missed is asked for');
});

test('a clock of the page that goes before the one of the server does not stop the figures', () => {
  tell(row('a', { state: 'loaded', memory_bytes: 5 }));
  for (const time of [1, 900, 3]) {
    api.tell({ samples: { a: sample(time) } });
  }
  assert.deepEqual(model.state.histories.get('a')?.map(({ time }) => time), [1, 3]);
});

test('what others do is said to screen readers', () => {
  tell(row('a', { state: 'loading' }));
  tell(row('a', { state: 'loaded' }));
  assert.equal(model.state.announcement, 'a is loaded.');
});

test('the slider goes by multiples of 256 tokens to what the model was trained for', () => {
  const steps = contextSteps(3000);
  assert.deepEqual([steps[0], steps.at(-1)], [256, 3000]);
  assert.ok(steps.slice(0, -1).every(step => step % 256 === 0));
  assert.deepEqual([100, 512, 700, 9999].map(tokens => steps[stepOf(steps, tokens)]), [256, 512, 768, 3000]);
});

test('the bar tells weights, cache and buffers apart, of what is needed', () => {
  const part = (name: string, ram: number, needed = true) => ({ name, ram, gpu: 0, needed });
  const parts = [part('weights', 5), part('repacked', 1), part('kv_cache', 2), part('compute', 3), part('cache', 9, false)];
  assert.deepEqual(shares(parts, 'ram').map(({ bytes }) => bytes), [6, 2, 3]);
});
