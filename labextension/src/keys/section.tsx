import { plural } from '../format';
import { Notice } from '../notice';
import { Section } from '../section';
import { KeyForm } from './form';
import type { IKeysState } from './model';
import { KeyRow } from './row';
import { Secret } from './secret';
import type { IKeyRow, INewKey } from './types';

export interface IKeysActions {
  open(open: boolean): void;
  /** Resolves to whether the key was made. */
  create(key: INewKey): Promise<boolean>;
  /** Asks first. */
  revoke(row: IKeyRow): void;
  forget(): void;
  dismiss(id: string): void;
}

interface IProps {
  state: IKeysState;
  actions: IKeysActions;
}

/** Folded below the models: the keys by which other programs ask this server. */
export function KeySection({ state, actions }: IProps) {
  return (
    <Section name="keys" title="API keys" open={state.open} onToggle={actions.open}>
      {state.problem && <Notice error={state.problem} />}
      {state.made && <Secret key={state.made.id} made={state.made} onDismiss={actions.forget} />}
      <details className="jp-uml-NewKey">
        <summary data-uml-action="new-key">New key</summary>
        <KeyForm refusal={state.refusal} busy={state.creating} create={actions.create} />
      </details>
      <Keys state={state} revoke={actions.revoke} dismiss={actions.dismiss} />
    </Section>
  );
}

interface IKeys {
  state: IKeysState;
  revoke: (row: IKeyRow) => void;
  dismiss: (id: string) => void;
}

function Keys({ state, revoke, dismiss }: IKeys) {
  if (state.keys === null) {
    return state.problem ? null : <p className="jp-uml-Hint">Looking for keys…</p>;
  }
  const now = Date.now() / 1000;
  const shown = (row: IKeyRow) => (
    <KeyRow
      key={row.id}
      row={row}
      now={now}
      revoking={state.revoking.has(row.id)}
      notice={state.notices.get(row.id)}
      revoke={revoke}
      dismiss={dismiss}
    />
  );
  const newestFirst = [...state.keys].sort((a, b) => b.created - a.created);
  const active = newestFirst.filter(row => row.state === 'active');
  const ended = newestFirst.filter(row => row.state !== 'active');
  return (
    <>
      {state.keys.length === 0 && <p className="jp-uml-Hint">No keys yet. With one, a program can ask this server.</p>}
      <ul className="jp-uml-List" aria-label="API keys">
        {active.map(shown)}
      </ul>
      {ended.length > 0 && (
        <details className="jp-uml-Ended">
          <summary data-uml-action="ended-keys">{plural(ended.length, 'revoked or expired key')}</summary>
          <ul className="jp-uml-List" aria-label="Revoked or expired keys">
            {ended.map(shown)}
          </ul>
        </details>
      )}
    </>
  );
}
