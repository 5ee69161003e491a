import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { RunningModel } from '../src/running/model';
import { asked, origin, progress } from '../src/running/texts';
import { answer, PushedApi } from './pushed';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

let server: PushedApi;
let stops: string[];
let refusals: Map<string, Error>;
let said: string[];
let model: RunningModel;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  server = new PushedApi();
  [stops, said, refusals] = [[], [], new Map()];
  const api = {
    stopRunning: async (id: string) => {
      stops.push(id);
      if (refusals.has(id)) {
        throw refusals.get(id);
      }
    }
  };
  model = new RunningModel(api, server.live, text => said.push(text));
  server.watch();
});

afterEach(() => {
  model.dispose();
  server.live.dispose();
  mock.timers.reset();
});

test('an answer is stopping until the server no longer tells of it', async () => {
  server.tell({ running: [answer('a'), answer('b')] });
  await model.stop('a');
  assert.deepEqual([...model.state.stopping], ['a']);
  assert.deepEqual(said, ['The answer is stopped.']);
  server.tell({ running: [answer('b')] });
  assert.deepEqual([...model.state.stopping], []);
  assert.deepEqual(
    model.state.running.map(({ id }) => id),
    ['b']
  );
});

test('all are stopped; one that has just ended is as good as stopped', async () => {
  server.tell({ running: [answer('a'), answer('b')] });
  refusals.set('a', new ApiError(404, { message: 'It has ended.', code: 'generation_not_found' }));
  await model.stopAll();
  assert.deepEqual(stops, ['a', 'b']);
  assert.equal(model.state.notices.size, 0);
  assert.deepEqual(said, ['All answers are stopped.']);
});

test('one that could not be stopped says why, and can be stopped again', async () => {
  server.tell({ running: [answer('a')] });
  refusals.set('a', new Unreachable());
  await model.stop('a');
  assert.equal(model.state.notices.get('a')?.code, 'connection_failed');
  assert.equal(model.state.stopping.size, 0);
  assert.deepEqual(said, []);
  refusals.clear();
  await model.stop('a');
  assert.equal(model.state.notices.size, 0);
});

test('an answer in words; of what others ask only by whom', () => {
  const stranger = answer('x', { own: false, who: 'nightly', question: '', kind: 'client' });
  assert.deepEqual([answer('x'), stranger].map(asked), ['Why?', 'A request of nightly']);
  assert.equal(asked(answer('x', { question: '', kind: 'inline' })), 'A completion');
  assert.deepEqual([answer('x'), stranger, answer('x', { kind: 'new' })].map(origin), ['cell', 'program', 'new']);
  assert.equal(plain(progress(answer('x'), 103)), '12 tokens · 25 tokens/s · 3 s');
  assert.equal(plain(progress(answer('x', { state: 'waiting' }), 99)), 'for 0 s');
});
