import { Button } from '../button';
import { Notice } from '../notice';
import type { IErrorBody } from '../types';
import { expiry, lastUsed, limits } from './texts';
import type { IKeyRow } from './types';

interface IProps {
  row: IKeyRow;
  /** Seconds since 1970. */
  now: number;
  revoking: boolean;
  notice: IErrorBody | undefined;
  revoke: (row: IKeyRow) => void;
  dismiss: (id: string) => void;
}

const STATES: Readonly<Record<string, string>> = { active: 'Active', expired: 'Expired', revoked: 'Revoked' };

export function KeyRow({ row, now, revoking, notice, revoke, dismiss }: IProps) {
  return (
    <li className="jp-uml-Row" data-uml-key={row.id} data-uml-state={row.state} aria-label={row.name}>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-name" title={`${row.name}\n${row.id}`}>
          {row.name}
        </div>
        {row.state === 'active' && (
          <Button
            action="revoke"
            tone="danger"
            label={`${revoking ? 'Revoking' : 'Revoke'} ${row.name}`}
            disabled={revoking}
            onClick={() => revoke(row)}
          >
            {revoking ? 'Revoking…' : 'Revoke'}
          </Button>
        )}
      </div>
      <div className="jp-uml-Row-state">
        <span className="jp-uml-Badge">{STATES[row.state] ?? row.state}</span>
      </div>
      {row.ephemeral && <p className="jp-uml-Row-hint">Of this server’s own notebooks and terminals.</p>}
      <dl className="jp-uml-Facts">
        {facts(row, now).map(([name, value]) => (
          <div key={name} className="jp-uml-Fact">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {notice && <Notice error={notice} onDismiss={() => dismiss(row.id)} />}
    </li>
  );
}

function facts(row: IKeyRow, now: number): [string, string][] {
  return [
    ['Scopes', row.scopes.join(', ')],
    ['Models', row.models === null ? 'all' : row.models.join(', ')],
    ['Last used', lastUsed(row, now)],
    [row.state === 'expired' ? 'Expired' : 'Expires', expiry(row, now)],
    ['Limits', limits(row)]
  ];
}
