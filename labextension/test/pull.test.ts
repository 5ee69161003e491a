import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { PullsModel } from '../src/pull/model';
import { figures, offered, pace, whole } from '../src/pull/texts';
import type { ILook, IOutcome, IPullApi } from '../src/pull/types';
import type { IPull } from '../src/state';
import { PushedApi, pull, settle } from './pushed';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');
const GONE = new ApiError(404, { message: 'No such pull is known.', code: 'pull_not_found' });
const GATED = { message: 'Accept the conditions.', code: 'hub_access_denied' };

function look(model: string, more: Partial<ILook> = {}): ILook {
  return {
    model,
    repository: 'some/Model-GGUF',
    commit: 'c',
    quantisation: 'Q4_K_M',
    files: ['a-Q4_K_M.gguf'],
    size_bytes: 4 * 2 ** 30,
    why: 'It fits.',
    offers: [
      { quantisation: 'Q8_0', file: 'a-Q8_0.gguf', size_bytes: 8 * 2 ** 30 },
      { quantisation: 'Q4_K_M', file: 'a-Q4_K_M.gguf', size_bytes: 4 * 2 ** 30 }
    ],
    other_formats: [],
    ...more
  };
}

/** A hub whose answers the test decides. */
class ScriptedPulls implements IPullApi {
  asked: string[] = [];
  looks: (model: string) => Promise<ILook> = async model => look(model);
  starts: (model: string) => Promise<IPull> = async model => pull(`id of ${model}`, model);
  outcomes = new Map<string, Partial<IOutcome>>();

  look = (model: string) => this.looks(model);

  async startPull(model: string): Promise<IPull> {
    const begun = await this.starts(model);
    this.outcomes.set(begun.id, this.outcomes.get(begun.id) ?? {});
    return begun;
  }

  async pull(id: string): Promise<IOutcome> {
    this.asked.push(id);
    const outcome = this.outcomes.get(id);
    if (!outcome) {
      throw GONE;
    }
    return { ...pull(id, 'some/Model'), done: null, error: null, ...outcome };
  }

  cancels = async (id: string) => pull(id, 'some/Model');
  cancelPull = (id: string) => this.cancels(id);
}

let server: PushedApi;
let api: ScriptedPulls;
let said: string[];
let model: PullsModel;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  server = new PushedApi();
  api = new ScriptedPulls();
  said = [];
  model = new PullsModel(api, server.live, text => said.push(text));
  server.watch();
});

afterEach(() => {
  model.dispose();
  server.live.dispose();
  mock.timers.reset();
});

const running = () => model.state.pulls.map(({ id }) => id);

test('what would be pulled is shown with the reason, and forgotten when another name is typed', async () => {
  await model.look('some/Model-GGUF');
  assert.equal(model.state.look?.why, 'It fits.');
  assert.deepEqual(said, ['some/Model-GGUF: It fits.']);
  model.forget();
  assert.equal(model.state.look, null);
});

test('the answer to an older question is void', async () => {
  let finish = (_: ILook) => undefined as void;
  api.looks = () => new Promise(resolve => (finish = resolve));
  const old = model.look('some/Old');
  api.looks = async name => look(name);
  await model.look('some/New');
  finish(look('some/Old'));
  await old;
  assert.equal(model.state.look?.model, 'some/New');
  assert.equal(model.state.looking, false);
});

test('a refusal stays until something else is asked', async () => {
  api.looks = async () => {
    throw new ApiError(404, { message: 'No such repository.', code: 'repository_not_found' });
  };
  await model.look('some/Nothing');
  assert.equal(model.state.refusal?.code, 'repository_not_found');
  api.starts = async () => {
    throw new Unreachable();
  };
  assert.equal(await model.start('some/Model'), false);
  assert.equal(model.state.refusal?.code, 'connection_failed');
});

test('a pull is in the list at once, then as the server tells, and its end is told', async () => {
  assert.equal(await model.start('some/Model'), true);
  assert.deepEqual(running(), ['id of some/Model']);
  const progress = {
    doing: 'downloading',
    file: 'f',
    bytes: 1,
    total_bytes: 4,
    bytes_per_second: null,
    seconds_left: null
  } as const;
  server.tell({ pulls: [pull('id of some/Model', 'some/Model', { progress })] });
  assert.equal(model.state.pulls[0]?.progress?.bytes, 1);
  api.outcomes.set('id of some/Model', { done: { model: 'model-q4', size_bytes: 4 } });
  server.tell({ pulls: [] });
  await settle();
  assert.deepEqual(running(), []);
  assert.equal(model.state.ended[0]?.done?.model, 'model-q4');
  assert.equal(said.at(-1), 'some/Model is pulled.');
  model.dismiss('id of some/Model');
  assert.deepEqual(model.state.ended, []);
});

test('a pull that was begun elsewhere is shown, and why it failed, until it is tried again', async () => {
  server.tell({ pulls: [pull('x', 'some/Model')] });
  assert.deepEqual(running(), ['x']);
  api.outcomes.set('x', { error: GATED });
  server.tell({ pulls: [] });
  await settle();
  assert.equal(model.state.ended[0]?.error?.code, 'hub_access_denied');
  await model.again(model.state.ended[0]!);
  assert.deepEqual(model.state.ended, []);
  assert.deepEqual(running(), ['id of some/Model']);
});

test('one that the server has not told of yet is asked for, and stays while it runs', async () => {
  await model.start('some/Model');
  await settle();
  server.tell({ memory: { total_bytes: 2, available_bytes: 1 } });
  await settle();
  assert.deepEqual([...new Set(api.asked)], ['id of some/Model']);
  assert.deepEqual(running(), ['id of some/Model']);
});

test('nothing is concluded while the server is away, and a new server knows no old pulls', async () => {
  server.tell({ pulls: [pull('x', 'some/Model')] });
  server.models = () => Promise.reject(new Unreachable());
  server.lose();
  await settle();
  mock.timers.tick(0);
  await settle();
  assert.deepEqual(running(), ['x']);
  server.tell({ pulls: [] });
  await settle();
  assert.deepEqual(running(), []);
  assert.equal(model.state.ended[0]?.error?.code, 'pull_interrupted');
  assert.match(said.at(-1) ?? '', /some\/Model: .*What had come is kept/);
});

test('a pull that was over before the server had said that it began is not waited for', async () => {
  api.outcomes.set('id of some/Model', { done: { model: 'model-q4', size_bytes: 4 } });
  await model.start('some/Model');
  await settle();
  assert.deepEqual(running(), []);
  assert.equal(model.state.ended[0]?.done?.model, 'model-q4');
});

test('a pull that is cancelled says so, whoever cancelled it', async () => {
  server.tell({ pulls: [pull('x', 'some/Model')] });
  const cancelled = model.cancel('x');
  assert.deepEqual([...model.state.cancelling], ['x']);
  await cancelled;
  api.outcomes.set('x', { error: { message: 'It was cancelled.', code: 'pull_cancelled' } });
  server.tell({ pulls: [] });
  await settle();
  assert.equal(model.state.ended[0]?.error?.code, 'pull_cancelled');
  assert.equal(model.state.cancelling.size, 0);
});

test('a pull that could not be cancelled says why, one that has just ended does not', async () => {
  server.tell({ pulls: [pull('x', 'some/Model')] });
  api.cancels = () => Promise.reject(GONE);
  await model.cancel('x');
  assert.deepEqual([model.state.refusal], [null]);
  api.cancels = () => Promise.reject(new Unreachable());
  await model.cancel('x');
  assert.equal(model.state.refusal?.code, 'connection_failed');
});

test('each offer has a name by which it can be pulled', () => {
  const names = (found: ILook) => offered(found).map(({ name, chosen }) => `${name}${chosen ? ' *' : ''}`);
  assert.deepEqual(names(look('some/Model-GGUF')), ['some/Model-GGUF:Q8_0', 'some/Model-GGUF:Q4_K_M *']);
  const twice = [
    { quantisation: 'Q8_0', file: 'sub/b.gguf', size_bytes: 1 },
    { quantisation: 'Q8_0', file: 'a.gguf', size_bytes: 1 }
  ];
  assert.deepEqual(names(look('some/Model-GGUF:Q8_0@v2', { offers: twice, files: ['a.gguf'] })), [
    'some/Model-GGUF/sub/b.gguf@v2',
    'some/Model-GGUF/a.gguf@v2 *'
  ]);
  assert.equal(plain(offered(look('x'))[0]!.text), 'Q8_0 · 8.0 GiB');
  assert.equal(plain(whole(look('x', { files: ['a', 'b'] }))), '4.0 GiB in 2 files');
});

test('a pull in words', () => {
  const progress = {
    doing: 'downloading',
    file: 'f',
    bytes: 2 ** 30,
    total_bytes: 4 * 2 ** 30,
    bytes_per_second: 12 * 2 ** 20,
    seconds_left: 256
  } as const;
  const words = (row: IPull) => plain(`${figures(row)} | ${pace(row)}`);
  assert.equal(words(pull('x', 'm')), 'Asking the hub… | ');
  assert.equal(words(pull('x', 'm', { found: look('m') })), '4.0 GiB, beginning… | ');
  assert.equal(words(pull('x', 'm', { progress })), '25 % · 1.0 GiB of 4.0 GiB | 12.0 MiB/s · 4 min left');
  const silent = { ...progress, bytes_per_second: null, seconds_left: null };
  assert.equal(pace(pull('x', 'm', { progress: silent })), '');
  assert.equal(pace(pull('x', 'm', { progress: { ...silent, doing: 'verifying' } })), 'checking what has come');
});
