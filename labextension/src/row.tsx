import { useEffect, useRef } from 'react';

import type { INotice, Action } from './model';
import { Button } from './button';
import { CopyButton } from './copybutton';
import { Facts } from './facts';
import { bytes, count, magnitude, percent } from './format';
import { pinIcon } from './icon';
import { Notice } from './notice';
import type { IEstimate, IModelRow } from './types';
import { Verdict } from './verdict';

/** What a row can ask for. */
export interface IRowActions {
  load(id: string): void;
  unload(id: string, force: boolean): void;
  pin(id: string, pinned: boolean): void;
  /** The row has come into sight, or gone out of it. */
  see(id: string, seen: boolean): void;
  /** Resolves to whether the clipboard took it. */
  copy(row: IModelRow): Promise<boolean>;
  dismiss(id: string): void;
}

interface IProps {
  row: IModelRow;
  /** Whether it would fit; undefined: not known yet. */
  verdict: IEstimate | undefined;
  pending: Action | undefined;
  notice: INotice | undefined;
  /** The server is away: nothing can be asked of it. */
  blocked: boolean;
  actions: IRowActions;
}

const STATES: Readonly<Record<string, string>> = {
  available: 'Available',
  queued: 'Queued',
  loading: 'Loading',
  loaded: 'Loaded',
  unloading: 'Unloading',
  restarting: 'Restarting',
  failed: 'Failed'
};

export function ModelRow({ row, verdict, pending, notice, blocked, actions }: IProps) {
  const force = () => actions.unload(row.id, true);
  const refused = notice?.action === 'unload' && notice.error.code === 'model_busy' && row.state !== 'unloading';
  const idle = row.state === 'available' || row.state === 'failed';
  const place = useSeen(row.id, idle, actions.see);
  return (
    <li ref={place} className="jp-uml-Row" data-uml-model={row.id} data-uml-state={row.state} aria-label={row.id}>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-name" title={tooltip(row)}>
          {row.id}
        </div>
        <div className="jp-uml-Row-icons">
          {(row.pinned || !idle) && <PinButton row={row} blocked={blocked} actions={actions} />}
          <CopyButton
            label={`Copy openai code for ${row.id}`}
            title="Copy openai code"
            copy={() => actions.copy(row)}
          />
        </div>
      </div>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-state" title={tooltip(row)}>
          <span className="jp-uml-Badge">{STATES[row.state] ?? row.state}</span>
          <span className="jp-uml-Row-size">
            {bytes(row.size_bytes)}
            <span className="jp-uml-SrOnly"> on disk</span>
          </span>
        </div>
        <MainButton row={row} pending={pending} blocked={blocked} actions={actions} />
      </div>
      {row.state === 'available' && verdict && <Verdict verdict={verdict} />}
      {row.state === 'queued' && <div className="jp-uml-Row-hint">{queued(row)}</div>}
      {row.state === 'loading' && <Progress row={row} />}
      {(row.state === 'loaded' || row.state === 'unloading') && <Facts row={row} />}
      {row.error && row.state !== 'loaded' && <Notice error={row.error} />}
      {notice && notice.error.message !== row.error?.message && (
        <Notice error={notice.error} text={notice.text} onDismiss={() => actions.dismiss(row.id)}>
          {refused && (
            <Button action="force-unload" tone="danger" label={`Unload ${row.id} now`} disabled={blocked} onClick={force}>
              Unload now
            </Button>
          )}
        </Notice>
      )}
    </li>
  );
}

type MainProps = Omit<IProps, 'notice' | 'verdict'>;

/** Load, Retry, Unload or Unload now: what comes next for this model. One element, so that the focus stays. */
function MainButton({ row, pending, blocked, actions }: MainProps) {
  const main = mainAction(row, pending);
  const run = {
    load: () => actions.load(row.id),
    retry: () => actions.load(row.id),
    unload: () => actions.unload(row.id, false),
    'force-unload': () => actions.unload(row.id, true)
  };
  return (
    <Button
      action={main.action}
      tone={main.action === 'force-unload' ? 'danger' : main.action === 'unload' ? 'plain' : 'primary'}
      label={`${main.text}${main.busy ? ':' : ''} ${row.id}`}
      title={main.action === 'force-unload' ? 'End the running answers and unload at once' : undefined}
      disabled={main.busy || blocked}
      onClick={run[main.action]}
    >
      {main.text}
    </Button>
  );
}

interface IMain {
  action: 'load' | 'retry' | 'unload' | 'force-unload';
  text: string;
  busy?: boolean;
}

function mainAction(row: IModelRow, pending: Action | undefined): IMain {
  if (row.state === 'loading') {
    return { action: 'load', text: loadingText(row), busy: true };
  }
  if (row.state === 'queued' && pending !== 'unload') {
    return { action: 'unload', text: 'Cancel' };
  }
  if (row.state === 'restarting') {
    return { action: 'load', text: 'Restarting…', busy: true };
  }
  if (row.state === 'unloading' && pending !== 'force-unload') {
    return { action: 'force-unload', text: 'Unload now' };
  }
  if (pending === 'unload' || pending === 'force-unload') {
    return { action: pending, text: 'Unloading…', busy: true };
  }
  if (row.state === 'loaded') {
    return { action: 'unload', text: 'Unload' };
  }
  if (pending === 'load') {
    return { action: 'load', text: 'Loading…', busy: true };
  }
  return row.state === 'failed' ? { action: 'retry', text: 'Retry' } : { action: 'load', text: 'Load' };
}

function queued(row: IModelRow): string {
  const needs = row.estimated_bytes === null ? 'Waits' : `Needs ${bytes(row.estimated_bytes)} and waits`;
  return `${needs} until other models have answered.`;
}

type PinProps = Pick<IProps, 'row' | 'blocked' | 'actions'>;

function PinButton({ row, blocked, actions }: PinProps) {
  return (
    <Button
      action="pin"
      tone="icon"
      label={`Pin ${row.id}`}
      title={row.pinned ? 'Pinned: it stays loaded. Click to let it go' : 'Pin: keep it loaded'}
      pressed={row.pinned}
      disabled={blocked}
      onClick={() => actions.pin(row.id, !row.pinned)}
    >
      <pinIcon.react tag="span" elementSize="normal" />
    </Button>
  );
}

/** Tells whether the element can be seen, as long as that is of interest. */
function useSeen(id: string, wanted: boolean, see: (id: string, seen: boolean) => void) {
  const place = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (!wanted || !place.current) {
      return;
    }
    const observer = new IntersectionObserver(entries => see(id, entries.some(entry => entry.isIntersecting)));
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      see(id, false);
    };
  }, [id, wanted, see]);
  return place;
}

function loadingText(row: IModelRow): string {
  return row.progress === null ? 'Loading…' : `Loading ${percent(row.progress)}\u00a0%`;
}

function Progress({ row }: { row: IModelRow }) {
  const value = row.progress === null ? undefined : percent(row.progress);
  return (
    <div
      className="jp-uml-Progress"
      role="progressbar"
      aria-label={`Loading ${row.id}`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value}
    >
      <div className="jp-uml-Progress-bar" style={value === undefined ? undefined : { width: `${value}%` }} />
    </div>
  );
}

function tooltip(row: IModelRow): string {
  const trained = row.info?.n_ctx_train ?? row.facts?.n_ctx_train ?? 0;
  return [
    row.id,
    `${bytes(row.size_bytes)} on disk, from: ${row.source}`,
    row.base && `profile of ${row.base}`,
    row.aliases.length > 0 && `also called ${row.aliases.join(', ')}`,
    row.info?.description ?? (row.facts && `${row.facts.architecture} ${magnitude(row.facts.parameters)} ${row.facts.quantisation}`),
    trained > 0 && `trained for ${count(trained)} tokens of context`,
    row.pid !== null && `process ${row.pid}`
  ]
    .filter(Boolean)
    .join('\n');
}
