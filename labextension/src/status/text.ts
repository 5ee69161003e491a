import { bytes, percent, rate } from '../format';
import type { ILiveState } from '../state';
import type { IModelRow } from '../types';

type State = Pick<ILiveState, 'models' | 'samples' | 'memory' | 'problem'>;

/**
 * The one line of the status bar: what is being loaded, or anew, else what is loaded, and how fast it answers.
 * Where it is too long the first part is cut, as names of models are.
 */
export function statusText(state: State): [text: string, figures: string] {
  if (state.problem) {
    return ['Models: not connected', ''];
  }
  const loading = of(state, 'loading')[0];
  if (loading) {
    const share = loading.progress === null ? '' : ` ${percent(loading.progress)}\u00a0%`;
    return [`Loading ${loading.id}`, share];
  }
  const restarting = of(state, 'restarting')[0];
  if (restarting) {
    return [`Restarting ${restarting.id}`, ''];
  }
  const [busiest, ...others] = loaded(state).sort((a, b) => speed(state, b) - speed(state, a));
  if (!busiest) {
    return ['No model', ''];
  }
  const more = others.length > 0 ? ` +${others.length}` : '';
  const all = [busiest, ...others].reduce((sum, row) => sum + speed(state, row), 0);
  return [busiest.id, `${more}${all > 0 ? ` · ${rate(all)}` : ''}`];
}

/** A line for each model that is up, and one for the machine. */
export function statusTitle(state: State): string {
  const { memory, problem } = state;
  const up = loaded(state).map(row => {
    const taken = state.samples[row.id]?.memory_bytes ?? row.memory_bytes;
    return [row.id, taken === null ? '' : bytes(taken), speed(state, row) > 0 ? rate(speed(state, row)) : '']
      .filter(Boolean)
      .join(' · ');
  });
  const free = memory ? [`Memory: ${bytes(memory.available_bytes)} free of ${bytes(memory.total_bytes)}`] : [];
  return [...(problem ? [problem.message] : up), ...free, 'Click shows the models.'].join('\n');
}

/** A row of each worker: profiles share the one of their model. */
function loaded(state: State): IModelRow[] {
  const rows = of(state, 'loaded').sort((a, b) => Number(a.base !== null) - Number(b.base !== null));
  return [...new Map(rows.reverse().map(row => [row.pid ?? row.id, row])).values()].reverse();
}

function of({ models }: State, state: IModelRow['state']): IModelRow[] {
  return (models ?? []).filter(row => row.state === state);
}

/** Tokens a second, of all answers of the model together; 0: it does not answer. */
function speed({ samples }: State, row: IModelRow): number {
  return row.active > 0 ? (samples[row.id]?.tokens_per_second ?? row.tokens_per_second ?? 0) : 0;
}
