/** Which answers a notebook has not got to their ends. */
import type { ICell, IGenerationRow, IOutput } from './types';

/** `opened`: the page has just come to this kernel, and heard nothing of what it said before. `away`: the page was there,
 * and the kernel or the connection to it was not. */
export type Occasion = 'opened' | 'away';

export interface IMissing {
  cell: ICell;
  generation: IGenerationRow;
}

/**
 * The newest answer of each cell, where the cell does not show it whole: a kernel that is restarted takes that for a stop,
 * and what it says of the answer then is not true.
 *
 * A page that was there all the time shows at least its beginning, unless somebody has cleared it. What was `seen` whole
 * once, and is not there any more, has been cleared, too.
 */
export function missing(
  cells: Iterable<ICell>,
  rows: readonly IGenerationRow[],
  occasion: Occasion,
  seen: ReadonlySet<string>
): IMissing[] {
  const found: IMissing[] = [];
  for (const cell of cells) {
    const generation = newest(rows, cell);
    if (generation === undefined || !/^\s*%%uml\b/.test(cell.sharedModel.getSource())) {
      continue;
    }
    const shown = cell.outputs.toJSON().find(output => isOf(output, generation.id));
    const isWhole = shown !== undefined && generation.state !== 'running' && stateOf(shown) === generation.state;
    const isCleared = shown === undefined && (occasion === 'away' || seen.has(generation.id));
    if (!isWhole && !isCleared) {
      found.push({ cell, generation });
    }
  }
  return found;
}

/** The answers that the cells show to their ends. */
export function whole(cells: Iterable<ICell>): string[] {
  const ids: string[] = [];
  for (const cell of cells) {
    for (const output of cell.outputs.toJSON()) {
      const id = output.metadata?.jupyter_uml?.generation;
      if (id !== undefined && ['done', 'failed'].includes(stateOf(output) ?? '')) {
        ids.push(id);
      }
    }
  }
  return ids;
}

export function isOf(output: IOutput, id: string): boolean {
  return output.metadata?.jupyter_uml?.generation === id;
}

function stateOf(output: IOutput): string | undefined {
  return output.metadata?.jupyter_uml?.state;
}

function newest(rows: readonly IGenerationRow[], cell: ICell): IGenerationRow | undefined {
  const own = rows.filter(row => row.kind === 'cell' && row.cell === cell.id);
  return own.sort((one, other) => other.created - one.created)[0];
}
