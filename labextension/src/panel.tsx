import { refreshIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';

import { Button } from './button';
import { bytes } from './format';
import type { IPoint } from './models/forecasts';
import { type IRowActions, ModelRow } from './models/row';
import type { IState } from './models/store';
import { Unloadable } from './models/unloadable';
import { Notice } from './notice';
import type { IProblem } from './problem';
import type { ISample } from './state';
import type { ILoadOptions, IMemory, IModelRow } from './types';

interface IProps {
  state: IState;
  /** Seconds that the plots show. */
  span: number;
  actions: IRowActions & { refresh(): void };
}

const NO_OPTIONS: ILoadOptions = {};
const NO_POINTS: readonly IPoint[] = [];
const NO_HISTORY: readonly ISample[] = [];

/** `children` stand below the models. */
export function Panel({ state, span, actions, children }: IProps & { children: ReactNode }) {
  const { models: rows, problem, memory } = state;
  return (
    <>
      <div className="jp-uml-Header">
        <h2>Models</h2>
        <Button action="refresh" tone="icon" label="Refresh the models" title="Refresh" onClick={actions.refresh}>
          <refreshIcon.react tag="span" elementSize="normal" />
        </Button>
      </div>
      {problem && <Banner problem={problem} retry={actions.refresh} />}
      <div className="jp-uml-Body" data-uml-stale={problem ? '' : undefined}>
        <Orphans state={state} actions={actions} />
        {rows === null && !problem && <p className="jp-uml-Hint">Looking for models…</p>}
        {rows && loadable(state).length === 0 && <Empty />}
        {loadable(state).length > 0 && <List state={state} span={span} actions={actions} />}
        <Unloadable rows={(rows ?? []).filter(row => row.reason !== null)} />
        {children}
      </div>
      {memory && <Memory memory={memory} />}
      <div className="jp-uml-SrOnly" role="status" aria-live="polite">
        {state.announcement}
      </div>
    </>
  );
}

function loadable({ models }: IState): IModelRow[] {
  return (models ?? []).filter(row => row.reason === null);
}

function List({ state, span, actions }: IProps) {
  const workers = new Map((state.models ?? []).map(row => [row.pid, row.memory_bytes ?? 0])); // which profiles share
  const taken = [...workers.values()].reduce((sum, bytes) => sum + bytes, 0);
  return (
    <ul className="jp-uml-List" aria-label="Models">
      {loadable(state).map(row => (
        <ModelRow
          key={row.id}
          row={row}
          options={state.options.get(row.id) ?? NO_OPTIONS}
          applied={state.applied.get(row.id) ?? NO_OPTIONS}
          verdict={state.verdicts.get(row.id)}
          points={state.forecasts.get(row.id) ?? NO_POINTS}
          memory={state.memory}
          others={taken - (row.memory_bytes ?? 0)}
          history={state.histories.get(row.id) ?? NO_HISTORY}
          span={span}
          pending={state.pending.get(row.id)}
          notice={state.notices.get(row.id)}
          blocked={state.problem !== null}
          actions={actions}
        />
      ))}
    </ul>
  );
}

/** Errors about models that are no longer in the list. */
function Orphans({ state, actions }: Pick<IProps, 'state' | 'actions'>) {
  const known = new Set((state.models ?? []).map(row => row.id));
  const orphans = [...state.notices].filter(([id]) => !known.has(id));
  return (
    <>
      {orphans.map(([id, notice]) => (
        <Notice key={id} about={id} error={notice.error} text={notice.text} onDismiss={() => actions.dismiss(id)} />
      ))}
    </>
  );
}

function Banner({ problem, retry }: { problem: IProblem; retry: () => void }) {
  return (
    <div className="jp-uml-Banner" role="alert">
      <div>
        <strong>{problem.title}</strong>
        <div>{problem.message}</div>
      </div>
      <Button action="reconnect" onClick={retry}>
        Try now
      </Button>
    </div>
  );
}

function Empty() {
  return (
    <div className="jp-uml-Hint jp-uml-Empty">
      <h3>No models yet</h3>
      <p>
        Bring one from Hugging Face’s hub: with “Pull a model” below, in a notebook with{' '}
        <code>%uml pull owner/repository</code>, or in a terminal with <code>jupyter uml pull owner/repository</code>.
      </p>
      <p>
        Or put a GGUF file into <code>uml/models</code> in Jupyter’s data folder, which <code>jupyter --data-dir</code>{' '}
        prints, and it appears here.
      </p>
      <p>
        Or name folders of your own in <code>jupyter_server_config.py</code> and restart the server:
      </p>
      <pre tabIndex={0}>c.UMLApp.model_dirs = [&quot;~/models&quot;]</pre>
    </div>
  );
}

function Memory({ memory }: { memory: IMemory }) {
  const total = Math.max(1, memory.total_bytes);
  const used = Math.min(1, Math.max(0, 1 - memory.available_bytes / total));
  return (
    <div className="jp-uml-Footer" title="Memory of the machine that the server runs on">
      <div className="jp-uml-Footer-text">
        <span>Memory</span>
        <span>
          {bytes(memory.available_bytes)} free of {bytes(memory.total_bytes)}
        </span>
      </div>
      <div className="jp-uml-Meter" aria-hidden="true" data-level={used > 0.9 ? 'high' : 'normal'}>
        <div style={{ width: `${Math.round(used * 100)}%` }} />
      </div>
    </div>
  );
}
