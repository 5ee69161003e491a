/** Where a model's memory would go, and what there is for it, as one bar. */
import { bytes } from './format';
import type { IMemoryPart } from './types';

/** What people tell apart; each part that the server names belongs to one of them. */
const GROUPS = { weights: 'Weights', kv: 'KV cache', buffers: 'Buffers', companions: 'Companions' } as const;

type Group = keyof typeof GROUPS;

const GROUP_OF: Readonly<Record<string, Group>> = {
  weights: 'weights',
  repacked: 'weights',
  kv_cache: 'kv',
  projector: 'companions',
  adapters: 'companions',
  draft: 'companions'
};

interface IShare {
  group: Group;
  bytes: number;
}

interface IProps {
  parts: readonly IMemoryPart[];
  /** Bytes of RAM: with the longest context, there for this model, in use by the other models, of the machine. */
  most: number;
  available: number;
  others: number;
  total: number;
}

/** Where much more is free than the model could ever take, the bar is cut short. */
export function FitBar({ parts, most, available, others, total }: IProps) {
  const inRam = shares(parts, 'ram');
  const inGpu = shares(parts, 'gpu');
  const needed = sum(inRam);
  const scale = Math.max(needed, Math.min(1.1 * most, total || 1.5 * available), 1);
  const end = Math.min(available, scale);
  return (
    <div className="jp-uml-Fit" data-uml-cut={available > scale ? '' : undefined}>
      <div
        className="jp-uml-Fit-track"
        role="img"
        aria-label={`Memory: ${[...inRam.map(words), ...rest(others, available)].join(', ')}`}
        title={available > scale ? `The bar ends at ${bytes(scale)}` : undefined}
        data-uml-over={needed > available ? '' : undefined}
      >
        {inRam.map((share, place) => (
          <span key={share.group} data-part={share.group} style={span(sum(inRam.slice(0, place)), share.bytes, scale)} />
        ))}
        <span data-part="others" style={span(end, scale - end, scale)} />
        {available < scale && <span className="jp-uml-Fit-limit" style={{ left: `${(100 * end) / scale}%` }} />}
      </div>
      <div className="jp-uml-Fit-legend" aria-hidden="true">
        {inRam.map(share => (
          <span key={share.group} data-part={share.group}>
            {words(share)}
          </span>
        ))}
        {others > 0 && <span data-part="others">Other models {bytes(others)}</span>}
        <span data-part="free">Free {bytes(available)}</span>
      </div>
      {inGpu.length > 0 && <div className="jp-uml-Row-hint">On the GPU: {inGpu.map(words).join(', ')}</div>}
    </div>
  );
}

/** Bytes of what is needed in this memory. */
export function needs(parts: readonly IMemoryPart[], where: 'ram' | 'gpu'): number {
  return sum(shares(parts, where));
}

/** By group. What is only taken of what is left over does not count. */
export function shares(parts: readonly IMemoryPart[], where: 'ram' | 'gpu'): IShare[] {
  const needed = parts.filter(part => part.needed);
  const of = (group: Group) => needed.filter(part => (GROUP_OF[part.name] ?? 'buffers') === group);
  return (Object.keys(GROUPS) as Group[])
    .map(group => ({ group, bytes: Math.max(0, of(group).reduce((total, part) => total + part[where], 0)) }))
    .filter(share => share.bytes > 0);
}

function span(begin: number, length: number, scale: number) {
  return { left: `${(100 * begin) / scale}%`, width: `${(100 * length) / scale}%` };
}

function sum(shares: readonly IShare[]): number {
  return shares.reduce((total, share) => total + share.bytes, 0);
}

function words({ group, bytes: value }: IShare): string {
  return `${GROUPS[group]} ${bytes(value)}`;
}

function rest(others: number, available: number): string[] {
  return [...(others > 0 ? [`Other models ${bytes(others)}`] : []), `Free ${bytes(available)}`];
}
