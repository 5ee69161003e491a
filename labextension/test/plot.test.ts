import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type IPoint, Plot, stretches } from '../src/plot';

const every = (seconds: number, count: number, start = 0): IPoint[] =>
  Array.from({ length: count }, (_, n) => ({ time: start + seconds * n, value: n === 7 ? 9 : 1 }));

test('an hour is one line, of no more points than there are places for, with its peaks', () => {
  const [line, ...others] = stretches(every(2, 1800), 3600);
  assert.equal(others.length, 0);
  assert.ok(line!.length >= 120 && line!.length <= 121, `${line!.length} points`);
  assert.equal(Math.max(...line!.map(({ value }) => value)), 9);
});

test('a line is parted where nothing is known', () => {
  const found = stretches([...every(2, 30), ...every(2, 30, 200)], 3600);
  assert.equal(found.length, 2);
});

test('what is older than the span is not shown, and a single figure is seen, too', () => {
  const points = [{ time: 0, value: 50 }, { time: 400, value: 1 }];
  const svg = Plot({ name: 'Memory', points, span: 300, format: String });
  assert.equal(svg.props['aria-label'], 'Memory: now 1, highest 1, over the last 5 minutes');
  const [lines] = [svg.props.children].flat(2);
  assert.equal(lines.props.children[1].props.points, '118.0,3.0 120.0,3.0');
});
