import { percent } from '../format';
import type { IModelRow } from '../types';

/** How much of a model has been read. */
export function Progress({ row }: { row: IModelRow }) {
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
