/** Brings an answer that the server keeps into its cell, and stays with it until it has ended. */
import { ApiError } from '../errors';
import { isOf } from './missing';
import type { IAnswerOutput, IAnswersApi, ICell, IOutput } from './types';

const INTERVAL = 300;
const LONGEST_INTERVAL = 5000;

/** A page's wait; the tests' own does not wait. */
export type Sleep = (milliseconds: number) => Promise<void>;

const sleep: Sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

/**
 * Returns whether the cell shows the whole answer. It does not where the server has forgotten it, and where the output
 * was cleared or the cell was run again meanwhile, which is not undone.
 */
export async function follow(
  api: IAnswersApi,
  cell: ICell,
  id: string,
  isGone: () => boolean,
  wait: Sleep = sleep
): Promise<boolean> {
  let interval = INTERVAL;
  let isFirst = true;
  while (!isGone()) {
    try {
      const answer = await api.answer(id);
      if (isGone() || !show(cell, id, answer, isFirst)) {
        return false;
      }
      if (answer.generation.state !== 'running') {
        return true;
      }
      isFirst = false;
      interval = INTERVAL;
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) {
        return false;
      }
      interval = Math.min(2 * interval, LONGEST_INTERVAL); // the server is away, and may come back
    }
    await wait(interval);
  }
  return false;
}

/** Returns whether there was a place for it. The first time there always is: what an earlier run left makes room, and so
 * does the error by which the cell ended here. What the cell recorded of its request stays. */
function show(cell: ICell, id: string, answer: IAnswerOutput, isFirst: boolean): boolean {
  const shown = cell.outputs.toJSON();
  const place = shown.findIndex(other => isOf(other, id));
  const record = { ...shown[place]?.metadata?.jupyter_uml, ...answer.metadata.jupyter_uml };
  const output: IOutput = { output_type: 'display_data', data: answer.data, metadata: { jupyter_uml: record } };
  if (isFirst) {
    const kept = shown.filter(other => other.output_type !== 'error').map(other => (isOf(other, id) ? output : other));
    cell.outputs.fromJSON(place < 0 ? [output] : kept);
  } else if (place >= 0) {
    cell.outputs.set(place, output);
  }
  return isFirst || place >= 0;
}
