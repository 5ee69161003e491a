import { FitBar, needs } from '../fitbar';
import type { IEstimate, ILoadOptions, IMemory, IMemoryPart, IModelRow } from '../types';
import { type IPoint, partsAt } from './forecasts';
import { areInForce } from './loadoptions';
import { Guess, Verdict } from './verdict';
import type { IVerdict } from './verdicts';

interface IProps {
  row: IModelRow;
  options: ILoadOptions;
  verdict: IVerdict | undefined;
  /** What it would take with other contexts; empty: not known yet. */
  points: readonly IPoint[];
  memory: IMemory | null;
  /** Bytes that other models take. */
  others: number;
  /** Of the context that is chosen, and of the longest one. */
  tokens: number;
  longest: number;
}

/** The server's verdict; until it has come, what was heard before, which the bar follows at once. */
export function Fit({ row, options, verdict, points, memory, others, tokens, longest }: IProps) {
  if (!verdict || verdict.refusal) {
    return verdict ? <div className="jp-uml-Row-hint">{verdict.refusal.message}</div> : null;
  }
  const { estimate } = verdict;
  const isKnown = areSame(verdict.options ?? {}, options);
  const isPlotted = points.length > 1;
  const parts = isKnown || !isPlotted ? wished(estimate, options) : partsAt(points, tokens);
  const most = isPlotted ? needs(partsAt(points, longest), 'ram') : 0;
  const asIs = row.settings !== null && areInForce(options, row.settings);
  const available = asIs && memory ? memory.available_bytes : estimate.available_bytes;
  const total = memory?.total_bytes ?? 0;
  return (
    <>
      <FitBar parts={parts} most={most} available={available} others={others} total={total} />
      {!asIs && isKnown && <Verdict verdict={estimate} />}
      {!asIs && !isKnown && <Guess needed={needs(parts, 'ram')} available={estimate.available_bytes} />}
    </>
  );
}

/** What is chosen makes new options each time; only none at all are made twice. */
function areSame(judged: ILoadOptions, chosen: ILoadOptions): boolean {
  return judged === chosen || Object.keys(judged).length + Object.keys(chosen).length === 0;
}

/** Of a context that was asked for what that takes, else what the one takes that would be chosen. */
function wished(estimate: IEstimate, options: ILoadOptions): readonly IMemoryPart[] {
  const asked = options.n_ctx !== undefined ? (estimate.wished_parts ?? []) : [];
  return asked.length > 0 ? asked : estimate.parts;
}
