import type { INotice, Action } from './model';
import { Button } from './button';
import { CopyButton } from './copybutton';
import { Facts } from './facts';
import { bytes, count, percent } from './format';
import { Notice } from './notice';
import type { IModelRow } from './types';

/** What a row can ask for. */
export interface IRowActions {
  load(id: string): void;
  unload(id: string, force: boolean): void;
  /** Resolves to whether the clipboard took it. */
  copy(row: IModelRow): Promise<boolean>;
  dismiss(id: string): void;
}

interface IProps {
  row: IModelRow;
  pending: Action | undefined;
  notice: INotice | undefined;
  /** The server is away: nothing can be asked of it. */
  blocked: boolean;
  actions: IRowActions;
}

const STATES: Readonly<Record<string, string>> = {
  available: 'Available',
  loading: 'Loading',
  loaded: 'Loaded',
  unloading: 'Unloading',
  restarting: 'Restarting',
  failed: 'Failed'
};

export function ModelRow({ row, pending, notice, blocked, actions }: IProps) {
  const force = () => actions.unload(row.id, true);
  const refused = notice?.action === 'unload' && notice.error.code === 'model_busy' && row.state !== 'unloading';
  return (
    <li className="jp-uml-Row" data-uml-model={row.id} data-uml-state={row.state} aria-label={row.id}>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-name" title={tooltip(row)}>
          {row.id}
        </div>
        <CopyButton id={row.id} copy={() => actions.copy(row)} />
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

type MainProps = Omit<IProps, 'notice'>;

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
  return [
    row.id,
    `${bytes(row.size_bytes)} on disk, from: ${row.source}`,
    row.info?.description,
    row.info && `trained for ${count(row.info.n_ctx_train)} tokens of context`,
    row.pid !== null && `process ${row.pid}`
  ]
    .filter(Boolean)
    .join('\n');
}
