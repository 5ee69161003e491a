import { bytes, count, magnitude } from '../format';
import type { IModelFacts, IModelRow } from '../types';

/** All that is known of a model, line by line. */
export function tooltip(row: IModelRow): string {
  const trained = row.info?.n_ctx_train ?? row.facts?.n_ctx_train ?? 0;
  return [
    row.id,
    `${bytes(row.size_bytes)} on disk, from: ${row.source}`,
    row.base && `profile of ${row.base}`,
    row.aliases.length > 0 && `also called ${row.aliases.join(', ')}`,
    row.info?.description ?? (row.facts && words(row.facts)),
    trained > 0 && `trained for ${count(trained)} tokens of context`,
    row.pid !== null && `process ${row.pid}`
  ]
    .filter(Boolean)
    .join('\n');
}

function words({ architecture, parameters, quantisation }: IModelFacts): string {
  return `${architecture} ${magnitude(parameters)} ${quantisation}`;
}
