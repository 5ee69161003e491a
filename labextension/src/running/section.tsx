import { Button } from '../button';
import { plural } from '../format';
import { Notice } from '../notice';
import { Section } from '../section';
import type { IRunning } from '../state';
import type { IErrorBody } from '../types';
import type { IRunningState } from './model';
import { asked, origin, progress } from './texts';

export interface IRunningActions {
  open(open: boolean): void;
  stop(id: string): void;
  stopAll(): void;
  dismiss(id: string): void;
}

interface IProps {
  state: IRunningState;
  actions: IRunningActions;
}

/** Folded below the models: the answers under way, each of which can be stopped. */
export function RunningSection({ state, actions }: IProps) {
  const { running, stopping } = state;
  const now = Date.now() / 1000;
  return (
    <Section name="running" title="Running" count={running.length} open={state.open} onToggle={actions.open}>
      <div className="jp-uml-Section-body">
        {running.length === 0 && (
          <p className="jp-uml-Hint">
            Nothing is being answered. Questions of cells, panels and programs appear here while they are, and can be
            stopped.
          </p>
        )}
        <ul className="jp-uml-List" aria-label="Running answers">
          {running.map(row => (
            <Row
              key={row.id}
              row={row}
              now={now}
              stopping={stopping.has(row.id)}
              notice={state.notices.get(row.id)}
              actions={actions}
            />
          ))}
        </ul>
        {running.length > 1 && (
          <div className="jp-uml-Section-foot">
            <Button
              action="stop-all"
              tone="danger"
              label={`Stop all ${plural(running.length, 'answer')}`}
              disabled={running.every(({ id }) => stopping.has(id))}
              onClick={actions.stopAll}
            >
              Stop all
            </Button>
          </div>
        )}
      </div>
    </Section>
  );
}

interface IRow {
  row: IRunning;
  now: number;
  stopping: boolean;
  notice: IErrorBody | undefined;
  actions: IRunningActions;
}

function Row({ row, now, stopping, notice, actions }: IRow) {
  const question = asked(row);
  return (
    <li className="jp-uml-Row" data-uml-running={row.id} data-uml-state={row.state} aria-label={question}>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Running-question" data-uml-told={row.question ? '' : undefined} title={question}>
          {question}
        </div>
        <Button
          action="stop-running"
          label={`${stopping ? 'Stopping…' : 'Stop'} the answer to: ${question}`}
          disabled={stopping}
          onClick={() => actions.stop(row.id)}
        >
          {stopping ? 'Stopping…' : 'Stop'}
        </Button>
      </div>
      <div className="jp-uml-Row-state">
        <span className="jp-uml-Badge">{row.state === 'waiting' ? 'Waiting' : 'Answering'}</span>
        <span>{progress(row, now)}</span>
      </div>
      <div className="jp-uml-Row-hint jp-uml-Running-origin">
        {row.model} · {origin(row)}
      </div>
      {notice && <Notice error={notice} onDismiss={() => actions.dismiss(row.id)} />}
    </li>
  );
}
