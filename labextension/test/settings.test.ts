import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Signal } from '@lumino/signaling';

import { Settings } from '../src/settings';

type Read = Parameters<Settings['follow']>[0];

class Registry {
  composite: Record<string, unknown> = {};
  readonly changed = new Signal<this, void>(this);
}

test('the usual settings hold until others are read, and follow what is changed', () => {
  const settings = new Settings();
  const registry = new Registry();
  const seen: number[] = [];
  settings.changed.connect(() => seen.push(settings.current.plotSpan));
  assert.equal(settings.current.statusBar, true);
  settings.follow(registry as unknown as Read);
  registry.composite = { plotSpan: 30, openSections: { usage: true } };
  registry.changed.emit();
  assert.deepEqual(seen, [5, 30]);
  assert.deepEqual(settings.current.openSections, { usage: true });
  assert.equal(settings.current.confirmUnload, true);
});
