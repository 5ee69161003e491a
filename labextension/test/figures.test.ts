import assert from 'node:assert/strict';
import { test } from 'node:test';

import { spanOf } from '../src/models/figures';
import { sample } from './fakes';

test('the plots show what is known, a minute at least, and no more than was chosen', () => {
  const known = (...times: number[]) => spanOf(times.map(time => sample(time)), 300);
  assert.equal(known(), 60);
  assert.equal(known(1000, 1002), 60);
  assert.equal(known(1000, 1150), 150);
  assert.equal(known(1000, 2000), 300);
});
