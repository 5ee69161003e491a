import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { EMPTY, fieldOf, keyRequest } from '../src/keys/fields';
import { KeysModel } from '../src/keys/model';
import { expiry, lastUsed, limits, revocation } from '../src/keys/texts';
import type { ICreatedKey, IKeyRow } from '../src/keys/types';
import { keyRow, ScriptedKeysApi } from './fakes';

const NEW = { name: 'ci', scopes: ['infer'] } as const;
const plain = (text: string) => text.replaceAll('\u00a0', ' ');

let api: ScriptedKeysApi;
let said: string[];
let model: KeysModel;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  api = new ScriptedKeysApi();
  said = [];
  model = new KeysModel(api, text => said.push(text));
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

async function show(...rows: IKeyRow[]): Promise<void> {
  api.rows = async () => rows;
  model.active = true;
  model.open = true;
  await pass(0);
}

const states = () => (model.state.keys ?? []).map(({ id, state }) => `${id} ${state}`);

test('asks only while the section is open and seen, every 5 s', async () => {
  model.active = true;
  await pass(10_000);
  assert.equal(api.asked, 0);
  await show();
  assert.equal(api.asked, 1);
  await pass(5000);
  assert.equal(api.asked, 2);
  for (const hide of [() => (model.open = false), () => (model.active = false)]) {
    hide();
    await pass(20_000);
    assert.equal(api.asked, 2);
  }
});

test('a new key is in the list, and its secret in the state until it is dismissed', async () => {
  await show(keyRow('old'));
  api.rows = () => new Promise(() => undefined);
  assert.equal(await model.create(NEW), true);
  assert.deepEqual(states(), ['old active', 'k active']);
  assert.deepEqual(model.state.made, { id: 'k', name: 'ci', secret: 'uml_1' });
  assert.doesNotMatch(JSON.stringify(model.state.keys), /uml_1/);
  model.forget();
  assert.doesNotMatch(JSON.stringify(model.state), /uml_1/);
});

test('a refused key leaves the refusal until the next try', async () => {
  await show();
  const answer = api.creates;
  api.creates = () => Promise.reject(new ApiError(400, { message: 'No.', param: 'models.0' }));
  assert.equal(await model.create(NEW), false);
  assert.equal(fieldOf(model.state.refusal), 'models');
  assert.equal(model.state.made, null);
  api.creates = answer;
  await model.create(NEW);
  assert.equal(model.state.refusal, null);
  assert.equal(model.state.creating, false);
});

test('a second key is not asked for while the first is made', async () => {
  await show();
  let answer: (key: ICreatedKey) => void = () => undefined;
  let calls = 0;
  api.creates = () => (calls++, new Promise(resolve => (answer = resolve)));
  const first = model.create(NEW);
  assert.equal(await model.create(NEW), false);
  answer({ ...keyRow('k'), key: 'uml_1' });
  assert.equal(await first, true);
  assert.equal(calls, 1);
});

test('a list asked for before a key was revoked does not bring it back', async () => {
  await show(keyRow('a'), keyRow('b'));
  let late: (rows: IKeyRow[]) => void = () => undefined;
  api.rows = () => new Promise(resolve => (late = resolve));
  await pass(5000);
  api.rows = () => new Promise(() => undefined);
  await model.revoke('a');
  late([keyRow('a'), keyRow('b')]);
  await settle();
  assert.deepEqual(states(), ['a revoked', 'b active']);
  assert.deepEqual(said, ['The key a is revoked.']);
});

test('the secret goes with its key, and stays with another’s', async () => {
  await show(keyRow('a'), keyRow('k'));
  await model.create(NEW);
  await model.revoke('a');
  assert.notEqual(model.state.made, null);
  await model.revoke('k');
  assert.equal(model.state.made, null);
});

test('a revocation that fails says why at its key, until it is dismissed', async () => {
  await show(keyRow('a'));
  api.revokes = () => Promise.reject(new Unreachable());
  await model.revoke('a');
  assert.equal(model.state.notices.get('a')?.code, 'connection_failed');
  assert.equal(model.state.revoking.size, 0);
  assert.deepEqual(said, []);
  model.dismiss('a');
  assert.equal(model.state.notices.size, 0);
});

test('what was last known stays when the list cannot be read, and the reason goes by itself', async () => {
  await show(keyRow('a'));
  api.rows = () => Promise.reject(new ApiError(503, { message: 'Full.' }));
  await pass(5000);
  assert.equal(model.state.problem?.message, 'Full.');
  assert.deepEqual(states(), ['a active']);
  api.rows = async () => [];
  await pass(30_000);
  assert.equal(model.state.problem, null);
  assert.deepEqual(states(), []);
});

test('what is left empty is not asked for, and what is no number goes to the server as it is', () => {
  assert.deepEqual(keyRequest({ ...EMPTY, name: 'ci' }), { name: 'ci', scopes: ['infer', 'models:read'] });
  const typed = { models: ' demo, qwen* ', expires_in: '30d', requests_per_minute: ' 60 ', tokens_per_minute: '1.5' };
  assert.deepEqual(keyRequest({ ...EMPTY, name: 'ci', scopes: [], ...typed }), {
    name: 'ci',
    scopes: [],
    models: ['demo', 'qwen*'],
    expires_in: '30d',
    requests_per_minute: 60,
    tokens_per_minute: '1.5'
  });
});

test('a refusal stands at its field, one about no field of the form at none', () => {
  const params = ['name', 'models.3', 'expires_in', 'burst', 'constructor', null];
  const found = params.map(param => fieldOf({ message: '', param }));
  assert.deepEqual(found, ['name', 'models', 'expires_in', null, null, null]);
  assert.equal(fieldOf(null), null);
});

test('a key in words', () => {
  assert.equal(limits(keyRow('a')), 'as the server’s defaults');
  const limited = keyRow('a', { requests_per_minute: 60, tokens_per_minute: 10_000, max_concurrent: 2 });
  assert.equal(plain(limits(limited)), '60 requests/min, 10,000 tokens/min, 2 at once');
  const uses = [null, 40, 2000].map(last_used => lastUsed(keyRow('a', { last_used }), 100));
  assert.deepEqual(uses.map(plain), ['never', '60 s ago', '0 s ago']);
  const ends = [{}, { ephemeral: true }, { expires_at: 130 }, { expires_at: 90 }];
  assert.deepEqual(
    ends.map(more => plain(expiry(keyRow('a', more), 100))),
    ['never', 'with this server', 'in 30 s', '10 s ago']
  );
});

test('to revoke the key of the notebooks themselves is warned of', () => {
  assert.match(revocation(keyRow('kernels', { ephemeral: true })), /notebooks and terminals/);
  assert.match(revocation(keyRow('ci')), /cannot be undone/);
});
