/** A running answer in words. */
import { count, duration, rate } from '../format';
import type { IRunning } from '../state';

const KINDS: Readonly<Record<string, string>> = {
  cell: 'cell',
  panel: 'chat panel',
  inline: 'inline completion',
  batch: 'batch',
  client: 'program'
};

/** What it answers, as far as this page may know. */
export function asked({ question, own, who, kind }: IRunning): string {
  if (question) {
    return question;
  }
  return own ? (kind === 'inline' ? 'A completion' : 'A request of yours') : `A request of ${who}`;
}

/** By what it was asked. */
export function origin({ kind }: IRunning): string {
  return KINDS[kind] ?? kind;
}

/** How far it is; `now` in seconds since 1970. */
export function progress(row: IRunning, now: number): string {
  const since = duration(Math.max(0, now - row.started));
  if (row.state === 'waiting') {
    return `for ${since}`;
  }
  return `${count(row.tokens)}\u00a0tokens · ${rate(row.tokens_per_second)} · ${since}`;
}
