/** Usage, added up for a table. Pure. */
import type { IUsageRow } from './types';

/** Lines of a table; the rest is one line more. */
const MOST_LINES = 8;
const DAY = 86_400_000;

export interface ISum {
  /** Empty: of the others together. */
  id: string;
  label: string;
  requests: number;
  errors: number;
  tokens_in: number;
  tokens_out: number;
  tokens_cached: number;
}

export type Grouping = 'key' | 'model';

/** The first of the last `days` days in UTC, today the last one of them. `now`: milliseconds since 1970. */
export function firstDay(days: number, now: number): string {
  return new Date(now - (days - 1) * DAY).toISOString().slice(0, 10);
}

export function total(rows: readonly IUsageRow[]): ISum {
  return sum('', 'All', rows);
}

/** Those that used most come first. */
export function grouped(rows: readonly IUsageRow[], by: Grouping): ISum[] {
  const groups = new Map<string, IUsageRow[]>();
  rows.forEach(row => groups.set(row[by], [...(groups.get(row[by]) ?? []), row]));
  const sums = [...groups].map(([id, group]) => sum(id, label(group[0]!, by), group));
  sums.sort((a, b) => tokens(b) - tokens(a) || b.requests - a.requests);
  const rest = sums.slice(MOST_LINES);
  return rest.length > 1 ? [...sums.slice(0, MOST_LINES), sum('', `${rest.length} others`, rest)] : sums;
}

export function tokens({ tokens_in, tokens_out }: ISum): number {
  return tokens_in + tokens_out;
}

function label({ key, name, model }: IUsageRow, by: Grouping): string {
  return by === 'key' ? name || key : model || 'no model';
}

type Figures = Omit<ISum, 'id' | 'label'>;

function sum(id: string, label: string, rows: readonly Figures[]): ISum {
  const figure = (name: keyof Figures) => rows.reduce((sum, row) => sum + row[name], 0);
  return {
    id,
    label,
    requests: figure('requests'),
    errors: figure('errors'),
    tokens_in: figure('tokens_in'),
    tokens_out: figure('tokens_out'),
    tokens_cached: figure('tokens_cached')
  };
}
