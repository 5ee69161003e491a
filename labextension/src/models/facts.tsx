import { bytes, count, duration, plural } from '../format';
import type { IModelRow } from '../types';

interface IFact {
  name: string;
  value: string;
  title?: string;
}

/** What a loaded model takes and does, beside its figures over time. */
export function Facts({ row }: { row: IModelRow }) {
  const waits = row.state === 'unloading' && row.active > 0;
  return (
    <>
      <dl className="jp-uml-Facts">
        {facts(row).map(fact => (
          <div key={fact.name} className="jp-uml-Fact" title={fact.title}>
            <dt>{fact.name}</dt>
            <dd>{fact.value}</dd>
          </div>
        ))}
      </dl>
      {waits && <div className="jp-uml-Row-hint">Waits for {plural(row.active, 'answer')} to end.</div>}
    </>
  );
}

function facts(row: IModelRow): IFact[] {
  const found: IFact[] = [];
  if (row.gpu_memory_bytes) {
    found.push({ name: 'GPU memory', value: bytes(row.gpu_memory_bytes) });
  }
  if (row.settings) {
    const title = `For each answer; ${plural(row.settings.n_parallel, 'answer')} can run side by side`;
    found.push({ name: 'Context', value: `${count(row.settings.n_ctx)}\u00a0tokens`, title });
  }
  if (row.active > 0) {
    found.push({ name: 'Running', value: plural(row.active, 'answer'), title: 'Answers running or queued' });
  }
  const stays = row.state === 'loaded' ? staying(row) : '';
  if (stays) {
    found.push({ name: 'Unloads', value: stays, title: 'When nobody has asked it for so long, or to make room' });
  }
  return found;
}

function staying(row: IModelRow): string {
  if (row.pinned) {
    return 'never: pinned';
  }
  if (row.expires_in !== null) {
    const left = row.expires_at ? row.expires_at - Date.now() / 1000 : row.expires_in;
    return `in ${duration(left)}`;
  }
  const users = `${plural(row.kernels, 'notebook')} ${row.kernels === 1 ? 'uses' : 'use'} it`;
  return row.kernels > 0 ? `not while ${users}` : '';
}
