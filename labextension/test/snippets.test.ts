import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { purpose } from '../src/snippet';
import { PROGRAMS } from '../src/snippets/programs';
import type { IModelRow } from '../src/types';
import { row } from './fakes';

const BASE = "https://hub.example/user/o'brien/?token=secret";
const facts = { kind: 'model', parameters: 1, quantisation: 'F16', n_ctx_train: 512 };
const info = { description: '', parameters: 1, n_ctx_train: 1, size_bytes: 1 };
const MODELS: Readonly<Record<string, IModelRow>> = {
  chat: row('owner/chat:Q4'),
  completion: row('base', { info: { ...info, architecture: 'llama', has_chat_template: false } }),
  embedding: row('mini', { facts: { ...facts, architecture: 'nomic-bert' } })
};

function every(): { id: string; code: string; model: IModelRow; kind: string }[] {
  const all = PROGRAMS.flatMap(({ id, write }) =>
    Object.entries(MODELS).map(([kind, model]) => ({ id, code: write(model, BASE), model, kind }))
  );
  assert.equal(all.length, 15);
  return all;
}

test('what a model is asked for', () => {
  for (const [kind, model] of Object.entries(MODELS)) {
    assert.equal(purpose(model), kind);
  }
});

test('each names the model and the absolute address, holds no secret and says where the key comes from', () => {
  for (const { id, code, model } of every()) {
    assert.ok(code.includes(model.id), id);
    assert.match(code, /https:\/\/hub\.example\/user\/o('|'\\''|%27)brien\/uml/, id);
    assert.doesNotMatch(code, /secret/, id);
    assert.match(code, /JUPYTER_UML_KEY/, id);
    assert.match(code, /make one in the sidebar/, id);
  }
});

test('the programs for Node.js are good JavaScript', () => {
  for (const { code } of every().filter(({ id }) => id === 'openai-node')) {
    execFileSync(process.execPath, ['--check', '--input-type=module', '-'], { input: code });
  }
});

test('the programs for the shell are good, and send JSON and the key whatever is in the names', () => {
  const shown = 'curl() { printf "%s\\n" "$@"; cat; }; ';
  for (const { code, kind } of every().filter(({ id }) => id === 'curl')) {
    const env = { ...process.env, JUPYTER_UML_KEY: 'uml_of_a_test' };
    const said = execFileSync('bash', ['-c', shown + code], { env, encoding: 'utf8' }).trim().split('\n');
    assert.equal(said.at(-1), 'Authorization: Bearer uml_of_a_test');
    assert.ok(said.some(argument => argument.startsWith("https://hub.example/user/o'brien/uml/v1/")), said.join());
    assert.equal(said.filter(argument => argument.includes('uml_of_a_test')).length, 1);
    const body = JSON.parse(said[said.indexOf('--data') + 1]!) as Record<string, unknown>;
    assert.equal(body['model'], MODELS[kind]!.id);
  }
});
