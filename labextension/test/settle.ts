import { mock } from 'node:test';

/** Lets promises settle, then time pass, then promises settle again. */
export async function pass(milliseconds: number): Promise<void> {
  await settle();
  mock.timers.tick(milliseconds);
  await settle();
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => setImmediate(resolve));
  }
}
