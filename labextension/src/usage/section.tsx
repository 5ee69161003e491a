import { count, magnitude, percent, plural } from '../format';
import { Notice } from '../notice';
import { Section } from '../section';
import { type IUsageState, PERIODS } from './model';
import { grouped, type ISum, total } from './sums';
import { UsageTable } from './table';
import type { IUsageRow } from './types';

export interface IUsageActions {
  open(open: boolean): void;
  choose(days: number): void;
}

interface IProps {
  state: IUsageState;
  actions: IUsageActions;
}

/** Folded below the models: who has used which model how much. */
export function UsageSection({ state, actions }: IProps) {
  return (
    <Section name="usage" title="Usage" open={state.open} onToggle={actions.open}>
      <div className="jp-uml-Section-body">
        <fieldset className="jp-uml-Usage-period">
          <legend className="jp-uml-SrOnly">Period</legend>
          {PERIODS.map(days => (
            <label key={days}>
              <input
                type="radio"
                name="jp-uml-usage-period"
                value={days}
                checked={state.days === days}
                data-uml-action="choose-period"
                onChange={() => actions.choose(days)}
              />
              <span>{days === 1 ? 'Today' : `${days} days`}</span>
            </label>
          ))}
        </fieldset>
        {state.problem && <Notice error={state.problem} />}
        {state.rows === null && !state.problem && <p>Adding up…</p>}
        {state.rows?.length === 0 && (
          <p>
            No requests {state.days === 1 ? 'today' : `in the last ${state.days} days`}. Ask a model, in a cell with{' '}
            <code>%%uml</code>, and what it took stands here.
          </p>
        )}
        {state.rows && state.rows.length > 0 && <Sums rows={state.rows} />}
      </div>
    </Section>
  );
}

function Sums({ rows }: { rows: readonly IUsageRow[] }) {
  return (
    <>
      <p className="jp-uml-Usage-total">{words(total(rows))}</p>
      <UsageTable title="Key" sums={grouped(rows, 'key')} />
      <UsageTable title="Model" sums={grouped(rows, 'model')} />
      <p className="jp-uml-Row-hint">Days in UTC. “jupyter” is whoever has signed in here, with all notebooks.</p>
    </>
  );
}

function words(sum: ISum): string {
  const refused = sum.errors > 0 ? ` (${count(sum.errors)} refused or failed)` : '';
  const cached = sum.tokens_in > 0 ? `, ${percent(sum.tokens_cached / sum.tokens_in)}\u00a0% cached` : '';
  const inward = `${magnitude(sum.tokens_in)}\u00a0tokens in${cached}`;
  return `${plural(sum.requests, 'request')}${refused} · ${inward} · ${magnitude(sum.tokens_out)}\u00a0out`;
}
