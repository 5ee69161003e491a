import { plural } from '../format';
import type { IModelRow } from '../types';

/** What was found but can never be loaded, folded, each with the reason. */
export function Unloadable({ rows }: { rows: readonly IModelRow[] }) {
  if (rows.length === 0) {
    return null;
  }
  return (
    <details className="jp-uml-Unloadable">
      <summary data-uml-action="show-unloadable">{plural(rows.length, 'file')} cannot be loaded</summary>
      <ul className="jp-uml-List">
        {rows.map(row => (
          <li key={row.id} className="jp-uml-Unloadable-row" data-uml-unloadable={row.id}>
            <div className="jp-uml-Row-name">{row.id}</div>
            <div className="jp-uml-Row-hint">{row.reason}</div>
          </li>
        ))}
      </ul>
    </details>
  );
}
