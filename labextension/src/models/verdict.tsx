import { bytes, count } from '../format';
import type { IEstimate } from '../types';

/** Whether a model would fit, before it is loaded. */
export function Verdict({ verdict }: { verdict: IEstimate }) {
  return (
    <div className="jp-uml-Row-hint jp-uml-Verdict" data-uml-fit={level(verdict)} title={details(verdict)}>
      {words(verdict)}
    </div>
  );
}

/** Until the server has judged, by what it has said about other contexts. Bytes. */
export function Guess({ needed, available }: { needed: number; available: number }) {
  const fits = needed <= available;
  return (
    <div className="jp-uml-Row-hint jp-uml-Verdict" data-uml-fit={fits ? 'yes' : 'no'}>
      {fits ? 'Fits' : 'Does not fit'}: needs about {bytes(needed)}, has {bytes(available)}
    </div>
  );
}

/** `yes`: as it would be loaded by itself; `changed`: with less, or in another one's place; `no`. */
export function level({ fits, as_wished, unloads }: IEstimate): 'yes' | 'changed' | 'no' {
  return !fits ? 'no' : as_wished && unloads.length === 0 ? 'yes' : 'changed';
}

export function words({ verdict, unloads }: IEstimate): string {
  const first = verdict.slice(0, 1).toUpperCase() + verdict.slice(1);
  return unloads.length === 0 ? first : `${first}. Unloads ${unloads.join(', ')}.`;
}

function details(verdict: IEstimate): string {
  const { fits, largest_context, needed_bytes, available_bytes } = verdict;
  const figures = `Needs ${bytes(needed_bytes)}, has ${bytes(available_bytes)}`;
  return fits ? `${figures}\nLargest context: ${count(largest_context)} tokens` : figures;
}
