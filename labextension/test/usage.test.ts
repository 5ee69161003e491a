import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Unreachable } from '../src/errors';
import { UsageModel } from '../src/usage/model';
import { firstDay, grouped, total } from '../src/usage/sums';
import type { IUsageRow } from '../src/usage/types';
import { settle } from './pushed';

const NOON = Date.UTC(2026, 2, 3, 12);

function used(key: string, model: string, tokens: number): IUsageRow {
  const figures = { requests: 1, errors: 0, tokens_in: tokens, tokens_out: 1, tokens_cached: 0, duration: 1 };
  return { key, name: key && `name of ${key}`, model, ...figures };
}

let asked: string[];
let answers: () => Promise<IUsageRow[]>;
let model: UsageModel;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON });
  asked = [];
  answers = async () => [];
  model = new UsageModel({
    usage: since => {
      asked.push(since);
      return answers();
    }
  });
});

afterEach(() => {
  model.dispose();
  mock.timers.reset();
});

async function pass(milliseconds: number): Promise<void> {
  await settle();
  mock.timers.tick(milliseconds);
  await settle();
}

test('is asked only while the section is open and seen, for the days that were chosen', async () => {
  model.active = true;
  await pass(60_000);
  assert.deepEqual(asked, []);
  model.open = true;
  await pass(0);
  model.days = 30;
  await pass(0);
  await pass(10_000);
  assert.deepEqual(asked, ['2026-03-03', '2026-02-02', '2026-02-02']);
  model.open = false;
  await pass(60_000);
  assert.equal(asked.length, 3);
});

test('another period shows nothing of the one before, and the newest answer is the one that counts', async () => {
  answers = async () => [used('today', 'm', 1)];
  [model.active, model.open] = [true, true];
  await pass(0);
  assert.equal(model.state.rows?.length, 1);
  const late: ((rows: IUsageRow[]) => void)[] = [];
  answers = () => new Promise(resolve => late.push(resolve));
  model.days = 7;
  assert.deepEqual([model.state.rows], [null]);
  await pass(0);
  model.refresh();
  await pass(0);
  late[1]?.([used('new', 'm', 1)]);
  late[0]?.([]);
  await settle();
  assert.equal(model.state.rows?.[0]?.key, 'new');
});

test('an answer for another period is not shown, and a problem stands until the next answer', async () => {
  let finish = (_: IUsageRow[]) => undefined as void;
  answers = () => new Promise(resolve => (finish = resolve));
  [model.active, model.open] = [true, true];
  await pass(0);
  const old = finish;
  model.days = 7;
  old([used('old', 'm', 1)]);
  await settle();
  assert.deepEqual([model.state.rows], [null]);
  answers = async () => [used('new', 'm', 1)];
  model.refresh();
  finish([]);
  await pass(0);
  assert.deepEqual(
    model.state.rows?.map(({ key }) => key),
    ['new']
  );
  answers = () => Promise.reject(new Unreachable());
  await pass(10_000);
  assert.equal(model.state.problem?.code, 'connection_failed');
  assert.equal(model.state.rows?.length, 1);
  answers = async () => [];
  await pass(60_000);
  assert.equal(model.state.problem, null);
});

test('days are those of UTC', () => {
  assert.deepEqual(
    [1, 7, 30].map(days => firstDay(days, Date.UTC(2026, 2, 3, 0, 0, 1))),
    ['2026-03-03', '2026-02-25', '2026-02-02']
  );
});

test('rows add up by key and by model, most first', () => {
  const rows = [used('a', 'm', 1), used('b', 'm', 5), used('a', '', 2)];
  const lines = (by: 'key' | 'model') => grouped(rows, by).map(sum => `${sum.label}: ${sum.tokens_in}+${sum.tokens_out}`);
  assert.deepEqual(lines('key'), ['name of b: 5+1', 'name of a: 3+2']);
  assert.deepEqual(lines('model'), ['m: 6+2', 'no model: 2+1']);
  assert.equal(total(rows).requests, 3);
});

test('many keys are eight lines and one for the others', () => {
  const rows = Array.from({ length: 12 }, (_, index) => used(`k${index}`, 'm', 100 - index));
  const sums = grouped(rows, 'key');
  assert.equal(sums.length, 9);
  assert.equal(sums.at(-1)?.label, '4 others');
  assert.equal(sums.reduce((tokens, sum) => tokens + sum.tokens_in, 0), total(rows).tokens_in);
  assert.equal(grouped(rows.slice(0, 9), 'key').at(-1)?.label, 'name of k8');
});
