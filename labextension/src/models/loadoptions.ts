/** How a model is loaded: what was chosen, against what it runs with. */
import { count } from '../format';
import type { IEstimate, ILoadOptions, IModelRow, ISettings } from '../types';

/** Contexts are rounded up to multiples of so many tokens. */
const CONTEXT_UNIT = 256;
/** Of a model whose file does not say for how many it was trained. */
const USUAL_LONGEST = 32_768;

/** Seconds for which it stays without use, in words. */
export const KEEP = [
  ['', 'auto'],
  ['300', '5 minutes'],
  ['1800', '30 minutes'],
  ['7200', '2 hours'],
  ['86400', '1 day'],
  ['-1', 'ever']
] as const;

export type Part = { [name in keyof ILoadOptions]: ILoadOptions[name] | undefined };

/** Without what is left open. */
export function given(options: Part): ILoadOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Whether a model that is loaded runs with them already. How long it is kept is no such setting. */
export function areInForce(options: ILoadOptions, { n_ctx, n_parallel, n_gpu_layers, kv_type }: ISettings): boolean {
  const more = n_ctx - (options.n_ctx ?? n_ctx);
  return (
    0 <= more &&
    more < CONTEXT_UNIT &&
    (options.n_parallel ?? n_parallel) === n_parallel &&
    (options.n_gpu_layers ?? n_gpu_layers) === n_gpu_layers &&
    (options.kv_type ?? kv_type) === kv_type
  );
}

/** Whether it has more than that. A load asks for so much at least: nobody else's share is taken away by it. */
export function isLess(options: ILoadOptions, { n_ctx, n_parallel }: ISettings): boolean {
  return n_ctx - (options.n_ctx ?? n_ctx) >= CONTEXT_UNIT || (options.n_parallel ?? n_parallel) < n_parallel;
}

/** What a load with these options would ask for: of a loaded model, what it has already is kept. */
export function whole(row: IModelRow | undefined, options: ILoadOptions | undefined): ILoadOptions | undefined {
  if (!row?.settings) {
    return options;
  }
  const { n_ctx, n_parallel, n_gpu_layers, kv_type } = row.settings;
  return { n_ctx, n_parallel, n_gpu_layers, kv_type, ...options };
}

/** Tokens at the end of the slider. */
export function longestContext(row: IModelRow, estimate: IEstimate | undefined): number {
  const trained = row.info?.n_ctx_train || row.facts?.n_ctx_train;
  return trained || Math.max(USUAL_LONGEST, estimate?.largest_context ?? 0);
}

export function hasGpu(row: IModelRow, options: ILoadOptions, estimate: IEstimate | undefined): boolean {
  const isUsed = (row.settings ?? estimate?.settings)?.n_gpu_layers ?? 0;
  const parts = estimate?.parts ?? [];
  return options.n_gpu_layers !== undefined || isUsed !== 0 || parts.some(part => part.gpu > 0);
}

/** What was chosen, in few words; empty: nothing. */
export function summary({ n_ctx, n_parallel, kv_type, n_gpu_layers, keep_alive }: ILoadOptions): string {
  const keep = KEEP.find(([value]) => value === String(keep_alive))?.[1];
  return [
    n_ctx !== undefined && `${count(n_ctx)}\u00a0tokens`,
    n_parallel !== undefined && `${n_parallel}\u00a0at a time`,
    kv_type && `KV cache ${kv_type}`,
    n_gpu_layers !== undefined && `${n_gpu_layers} layers on the GPU`,
    keep_alive !== undefined && `kept for ${keep ?? `${keep_alive} s`}`
  ]
    .filter(Boolean)
    .join(', ');
}
