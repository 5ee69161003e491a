/** A key in words. `now`: seconds since 1970. */
import { count, duration } from '../format';
import type { IKeyRow, ILimits, Scope } from './types';

export const SCOPE_WORDS: Readonly<Record<Scope, string>> = {
  infer: 'ask models',
  'models:read': 'list models',
  'models:admin': 'load and unload models',
  'keys:admin': 'make and revoke keys'
};

export function limits(row: ILimits): string {
  const found = [
    row.requests_per_minute !== null && `${count(row.requests_per_minute)}\u00a0requests/min`,
    row.requests_per_hour !== null && `${count(row.requests_per_hour)}\u00a0requests/h`,
    row.burst !== null && `${count(row.burst)}\u00a0requests/s`,
    row.tokens_per_minute !== null && `${count(row.tokens_per_minute)}\u00a0tokens/min`,
    row.max_concurrent !== null && `${count(row.max_concurrent)}\u00a0at once`
  ];
  return found.filter(Boolean).join(', ') || 'as the server’s defaults';
}

export function lastUsed({ last_used }: IKeyRow, now: number): string {
  return last_used === null ? 'never' : `${duration(now - last_used)} ago`;
}

export function expiry(row: IKeyRow, now: number): string {
  if (row.expires_at === null) {
    return row.ephemeral ? 'with this server' : 'never';
  }
  return row.expires_at > now ? `in ${duration(row.expires_at - now)}` : `${duration(now - row.expires_at)} ago`;
}

/** What comes of revoking it. */
export function revocation({ ephemeral }: IKeyRow): string {
  return ephemeral
    ? 'It is the key of this server’s own notebooks and terminals: until the server is started again, none of them, new ' +
        'ones included, can ask a model. Programs that use it are refused, too.'
    : 'Programs that use it are refused from then on. This cannot be undone.';
}
