import { Button } from '../button';
import type { IModelRow } from '../types';
import type { Action } from './store';

interface IProps {
  row: IModelRow;
  pending: Action | undefined;
  /** The server is away: nothing can be asked of it. */
  blocked: boolean;
  load(id: string): void;
  unload(id: string, force: boolean): unknown;
}

/** Load, Retry, Cancel, Unload or Unload now: what comes next for this model. One element, so that the focus stays. */
export function MainButton({ row, pending, blocked, load, unload }: IProps) {
  const main = mainAction(row, pending);
  const run = {
    load: () => load(row.id),
    retry: () => load(row.id),
    cancel: () => unload(row.id, false),
    unload: () => unload(row.id, false),
    'force-unload': () => unload(row.id, true)
  };
  return (
    <Button
      action={main.action}
      tone={main.action === 'force-unload' ? 'danger' : main.action === 'load' ? 'primary' : 'plain'}
      label={label(main, row.id)}
      title={main.action === 'force-unload' ? 'End the running answers and unload at once' : undefined}
      disabled={main.busy || blocked}
      onClick={run[main.action]}
    >
      {main.text}
    </Button>
  );
}

interface IMain {
  action: 'load' | 'retry' | 'cancel' | 'unload' | 'force-unload';
  text: string;
  busy?: boolean;
}

export function mainAction({ state }: IModelRow, pending: Action | undefined): IMain {
  if (state === 'loading' || state === 'queued') {
    const busy = pending === 'unload';
    return { action: 'cancel', text: busy ? 'Cancelling…' : 'Cancel', busy };
  }
  if (state === 'restarting') {
    return { action: 'load', text: 'Restarting…', busy: true };
  }
  if (state === 'unloading' && pending !== 'force-unload') {
    return { action: 'force-unload', text: 'Unload now' };
  }
  if (pending === 'unload' || pending === 'force-unload') {
    return { action: pending, text: 'Unloading…', busy: true };
  }
  if (state === 'loaded') {
    return { action: 'unload', text: 'Unload' };
  }
  if (pending === 'load') {
    return { action: 'load', text: 'Loading…', busy: true };
  }
  return state === 'failed' ? { action: 'retry', text: 'Retry' } : { action: 'load', text: 'Load' };
}

function label({ action, text, busy }: IMain, id: string): string {
  if (busy) {
    return `${text}: ${id}`;
  }
  return action === 'cancel' ? `Cancel loading ${id}` : `${text} ${id}`;
}
