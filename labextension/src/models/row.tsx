import { memo, useId, useState } from 'react';

import { Button } from '../button';
import { CopyButton } from '../copybutton';
import { bytes, percent } from '../format';
import { optionsIcon } from '../icon';
import { Notice } from '../notice';
import type { ISample } from '../state';
import type { ILoadOptions, IMemory, IModelRow } from '../types';
import { Facts } from './facts';
import { Figures } from './figures';
import type { IPoint } from './forecasts';
import { MainButton } from './mainbutton';
import { Options } from './options';
import { PinButton } from './pinbutton';
import { Progress } from './progress';
import { useSeen } from './seen';
import { summary } from './loadoptions';
import type { Action, INotice } from './store';
import { tooltip } from './tooltip';
import { Verdict } from './verdict';
import type { IVerdict } from './verdicts';

/** What a row can ask for. */
export interface IRowActions {
  load(id: string): void;
  /** A loaded one, as was chosen. */
  reload(id: string): unknown;
  unload(id: string, force: boolean): unknown;
  pin(id: string, pinned: boolean): void;
  /** How it is loaded next. */
  choose(id: string, options: ILoadOptions): void;
  /** The row has come into sight, or gone out of it. */
  see(id: string, seen: boolean): void;
  /** Its context can be chosen now, up to `longest` tokens; 0: no longer. */
  plan(id: string, longest: number): void;
  /** Its figures over time are shown, or no longer. */
  watch(id: string, seen: boolean): void;
  /** Resolves to whether the clipboard took it. */
  copy(row: IModelRow): Promise<boolean>;
  dismiss(id: string): void;
}

interface IProps {
  row: IModelRow;
  options: ILoadOptions;
  /** With what it was loaded last. */
  applied: ILoadOptions;
  /** Whether it would fit; undefined: not known yet. */
  verdict: IVerdict | undefined;
  /** What it would take with other contexts; empty: not known. */
  points: readonly IPoint[];
  memory: IMemory | null;
  /** Bytes that other models take. */
  others: number;
  history: readonly ISample[];
  /** Seconds that the plots show. */
  span: number;
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

/** Shown anew only when something of it has changed: news about one model come ten times a second. */
export const ModelRow = memo(function ModelRow(props: IProps) {
  const { row, options, verdict, history, span, pending, notice, blocked, actions } = props;
  const [open, setOpen] = useState(false);
  const optionsId = useId();
  const force = () => actions.unload(row.id, true);
  const refused = notice?.action === 'unload' && notice.error.code === 'model_busy' && row.state !== 'unloading';
  const idle = row.state === 'available' || row.state === 'failed';
  const adjustable = idle || row.state === 'loaded';
  const place = useSeen(row.id, idle || (open && adjustable), actions.see);
  return (
    <li ref={place} className="jp-uml-Row" data-uml-model={row.id} data-uml-state={row.state} aria-label={row.id}>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-name" title={tooltip(row)}>
          {row.id}
        </div>
        <div className="jp-uml-Row-icons">
          {(row.pinned || !idle) && <PinButton row={row} blocked={blocked} pin={actions.pin} />}
          <CopyButton
            label={`Copy openai code for ${row.id}`}
            title="Copy openai code"
            copy={() => actions.copy(row)}
          />
        </div>
      </div>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-state" title={tooltip(row)}>
          <span className="jp-uml-Badge">{stateText(row)}</span>
          <span className="jp-uml-Row-size">
            {bytes(row.size_bytes)}
            <span className="jp-uml-SrOnly"> on disk</span>
          </span>
        </div>
        <div className="jp-uml-Row-buttons">
          {adjustable && (
            <Button
              action="options"
              tone="icon"
              label={`Options of ${row.id}`}
              title="Options: context, memory, how long it stays"
              expanded={open}
              controls={open ? optionsId : undefined}
              onClick={() => setOpen(!open)}
            >
              <optionsIcon.react tag="span" elementSize="normal" />
            </Button>
          )}
          <MainButton row={row} pending={pending} blocked={blocked} load={actions.load} unload={actions.unload} />
        </div>
      </div>
      {idle && !open && summary(options) && <div className="jp-uml-Row-hint">With {summary(options)}</div>}
      {idle && !open && verdict?.estimate && <Verdict verdict={verdict.estimate} />}
      {row.state === 'queued' && <div className="jp-uml-Row-hint">{queued(row)}</div>}
      {(row.state === 'loading' || (row.state === 'loaded' && row.progress !== null)) && <Progress row={row} />}
      {row.state === 'loaded' && <Figures row={row} history={history} span={span} watch={actions.watch} />}
      {(row.state === 'loaded' || row.state === 'unloading') && <Facts row={row} />}
      {adjustable && open && (
        <Options
          id={optionsId}
          row={row}
          options={options}
          applied={props.applied}
          verdict={verdict}
          points={props.points}
          memory={props.memory}
          others={props.others}
          blocked={blocked}
          reloading={pending !== undefined || row.progress !== null}
          choose={options => actions.choose(row.id, options)}
          reload={actions.reload}
          plan={actions.plan}
        />
      )}
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
});

function stateText({ state, progress }: IModelRow): string {
  const name = STATES[state] ?? state;
  return state === 'loading' && progress !== null ? `${name} ${percent(progress)}\u00a0%` : name;
}

function queued(row: IModelRow): string {
  const needs = row.estimated_bytes === null ? 'Waits' : `Needs ${bytes(row.estimated_bytes)} and waits`;
  return `${needs} until other models have answered.`;
}
