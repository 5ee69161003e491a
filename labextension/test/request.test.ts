import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ServerConnection } from '@jupyterlab/services';

import { ApiError, Unreachable } from '../src/errors';
import { problemOf } from '../src/problem';
import { ServerApi } from '../src/request';

/** A server that gives always the same answer, and what it was asked. */
function server(body: string, status = 200) {
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = async request => {
    asked.push(new URL((request as Request).url).pathname);
    return new Response(body, { status });
  };
  const settings = ServerConnection.makeSettings({ baseUrl: 'http://localhost/', fetch });
  return { asked, api: new ServerApi(settings) };
}

test('a name is one path, whatever stands in it', async () => {
  const { asked, api } = server('{"samples": []}');
  await api.history('profile/a#b?c %/ü');
  assert.deepEqual(asked, ['/uml/models/profile/a%23b%3Fc%20%25/%C3%BC/history']);
});

test('a page that answers in place of the server is told as such', async () => {
  const { api } = server('<html>Sign in</html>');
  const reason: unknown = await api.models().catch((reason: unknown) => reason);
  assert.ok(reason instanceof ApiError);
  assert.match(problemOf(reason).message, /sign in. Reload this page/);
});

test('a proxy that finds no server is no server', async () => {
  await assert.rejects(server('<html>Bad gateway</html>', 502).api.models(), Unreachable);
});
