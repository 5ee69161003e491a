import { useEffect } from 'react';

import { bytes, rate } from '../format';
import { Plot } from '../plot';
import type { ISample } from '../state';
import type { IModelRow } from '../types';

/** Seconds that are shown at least. */
const SHORTEST = 60;

interface IProps {
  row: IModelRow;
  /** The oldest first. */
  history: readonly ISample[];
  /** Seconds that the plots show at most. */
  span: number;
  watch(id: string, seen: boolean): void;
}

/** Memory and speed of a loaded model, now and over time. */
export function Figures({ row, history, span, watch }: IProps) {
  useEffect(() => {
    watch(row.id, true);
    return () => watch(row.id, false);
  }, [row.id, watch]);
  const memory = history.map(({ time, memory_bytes }) => ({ time, value: memory_bytes }));
  const speed = history.map(({ time, tokens_per_second }) => ({ time, value: tokens_per_second }));
  const shown = spanOf(history, span);
  const now = row.active > 0 ? (row.tokens_per_second ?? 0) : 0;
  return (
    <dl className="jp-uml-Facts jp-uml-Figures">
      <div className="jp-uml-Fact" title="Memory in use by this model’s process">
        <dt>Memory</dt>
        <dd>
          {row.memory_bytes === null ? '–' : bytes(row.memory_bytes)}
          <Plot name={`Memory of ${row.id}`} points={memory} span={shown} format={bytes} />
        </dd>
      </div>
      <div className="jp-uml-Fact" title="Tokens a second, all answers together">
        <dt>Speed</dt>
        <dd>
          {now > 0 ? rate(now) : 'idle'}
          <Plot name={`Speed of ${row.id}`} points={speed} span={shown} format={rate} />
        </dd>
      </div>
    </dl>
  );
}

/** What is known fills the plot: of a model that was just loaded, five minutes would be an empty plot. */
export function spanOf(history: readonly ISample[], longest: number): number {
  const known = (history.at(-1)?.time ?? 0) - (history[0]?.time ?? 0);
  return Math.min(longest, Math.max(SHORTEST, known));
}
