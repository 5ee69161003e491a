import { agreed } from '../commands/dialogs';
import { plural } from '../format';
import type { IRunning } from '../state';

/** Whether the reader wants all of them to end, also those of others. */
export function confirmStop(running: readonly IRunning[]): Promise<boolean> {
  const others = running.filter(({ own }) => !own).length;
  const body = others > 0 ? `${others} of them asked for by other people or programs.` : 'What is written so far stays.';
  return agreed(`Stop ${plural(running.length, 'answer')}?`, body, 'Stop');
}
