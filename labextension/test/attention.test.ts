import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Attention } from '../src/attention';
import { LiveStore } from '../src/live';
import { ScriptedApi } from './fakes';

/** A page's tab, in front or behind. */
class Tab extends EventTarget {
  hidden = false;

  turn(hidden: boolean): void {
    this.hidden = hidden;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

let tab: Tab;
let api: ScriptedApi;
let live: LiveStore;
let told: boolean[];
let attention: Attention;

beforeEach(() => {
  tab = new Tab();
  Object.assign(globalThis, { document: tab });
  [api, told] = [new ScriptedApi(), []];
  live = new LiveStore(api);
  attention = new Attention(live, seen => told.push(seen));
});

afterEach(() => {
  attention.dispose();
  live.dispose();
  Reflect.deleteProperty(globalThis, 'document');
});

test('the server is listened to while the panel is shown in a tab that is in front', () => {
  assert.equal(api.isHeard, false);
  attention.shown = true;
  assert.equal(api.isHeard, true);
  tab.turn(true);
  assert.equal(api.isHeard, false, 'a hidden page holds no socket');
  tab.turn(false);
  assert.equal(api.isHeard, true);
  attention.shown = false;
  assert.equal(api.isHeard, false);
  assert.deepEqual(told, [true, false, true, false]);
});

test('a panel in a hidden tab waits until that comes to the front', () => {
  tab.turn(true);
  attention.shown = true;
  assert.equal(api.sockets, 0);
  tab.turn(false);
  assert.equal(api.sockets, 1);
});

test('what is gone listens no more', () => {
  attention.shown = true;
  attention.dispose();
  assert.equal(api.isHeard, false);
  tab.turn(false);
  assert.equal(api.isHeard, false);
});
