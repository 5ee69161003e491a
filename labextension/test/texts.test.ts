import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changes } from '../src/models/announce';
import { errorBody, errorTitle, Unreachable } from '../src/errors';
import { bytes, duration, magnitude, percent, plural, rate } from '../src/format';
import { snippet } from '../src/snippet';
import { level, words } from '../src/models/verdict';
import { estimate, row } from './fakes';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

test('bytes', () => {
  const shown = [0, 1023, 1024, 16.2 * 2 ** 20, 610 * 2 ** 20, 1023.99 * 2 ** 20, 39.6 * 2 ** 30].map(bytes).map(plain);
  assert.deepEqual(shown, ['0 B', '1023 B', '1.0 KiB', '16.2 MiB', '610 MiB', '1.0 GiB', '39.6 GiB']);
});

test('per cent never overstates, and floats do not take one away', () => {
  assert.deepEqual([-1, 0, 0.29, 0.43, 0.999, 1, 7].map(percent), [0, 0, 29, 43, 99, 100, 100]);
});

test('times and numbers of parameters', () => {
  const shown = [-1, 59.6, 700, 6000, 71 * 3600, 30 * 86_400].map(duration).map(plain);
  assert.deepEqual(shown, ['0 s', '60 s', '12 min', '2 h', '71 h', '30 days']);
  assert.deepEqual([12, 1_500, 596_049_920, 8_030_261_248].map(magnitude), ['12', '1.5k', '596M', '8.03B']);
});

test('a verdict says whose place it would take', () => {
  assert.equal(words(estimate('a')), 'Fits: needs 1 MiB, has 9 MiB');
  assert.equal(words(estimate('a', { unloads: ['b', 'c'] })), 'Fits: needs 1 MiB, has 9 MiB. Unloads b, c.');
  const others = [{}, { unloads: ['b'] }, { as_wished: false }, { fits: false, as_wished: false }];
  assert.deepEqual(
    others.map(more => level(estimate('a', more))),
    ['yes', 'changed', 'changed', 'no']
  );
});

test('rates and counts', () => {
  assert.equal(plain(rate(3.14)), '3.1 tokens/s');
  assert.equal(plain(rate(3300.4)), '3,300 tokens/s');
  assert.equal(plain(plural(1, 'answer')), '1 answer');
  assert.equal(plain(plural(2, 'answer')), '2 answers');
});

test('the snippet holds the absolute address and takes the token from the environment', () => {
  const code = snippet(row('demo'), 'https://hub.example/user/me');
  assert.match(code, /base_url="https:\/\/hub\.example\/user\/me\/uml\/v1"/);
  assert.match(code, /os\.environ\.get\("JUPYTER_TOKEN"\)/);
  assert.match(code, /jupyter server list/);
  assert.match(code, /chat\.completions\.create/);
});

test('a model without a chat template gets the other call, and no query of the page gets through', () => {
  const info = {
    architecture: 'llama',
    description: '',
    parameters: 1,
    n_ctx_train: 1,
    size_bytes: 1,
    has_chat_template: false
  };
  const code = snippet(row('base', { info }), 'http://127.0.0.1:8888/?token=secret');
  assert.match(code, /client\.completions\.create/);
  assert.doesNotMatch(code, /secret/);
});

test('state changes become sentences; the first list and failures do not', () => {
  assert.equal(changes(null, [row('a', { state: 'loaded' })]), '');
  assert.equal(changes([row('a')], [row('a', { state: 'failed' })]), '');
  const before = [row('a', { state: 'loading' }), row('b', { state: 'unloading' })];
  assert.equal(changes(before, [row('a', { state: 'loaded' }), row('b')]), 'a is loaded. b is unloaded.');
});

test('every rejection has a readable form', () => {
  assert.equal(errorTitle(errorBody(new Unreachable())), 'No connection');
  assert.equal(errorBody('odd').message, 'odd');
  assert.equal(errorTitle({ message: '', code: 'constructor' }), 'This did not work');
});
