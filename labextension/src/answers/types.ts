/** Answers that the server keeps, and the cells that they belong to. */

/** A row of `GET generations`. */
export interface IGenerationRow {
  id: string;
  state: 'running' | 'done' | 'failed' | 'stopped';
  kind: 'cell' | 'panel' | 'client';
  /** Of the notebook's cell that asked. */
  cell: string | null;
  /** Seconds since 1970. */
  created: number;
}

/** `GET generations/ID/output`: the answer as its cell would show it. */
export interface IAnswerOutput {
  generation: IGenerationRow;
  data: Record<string, string>;
  metadata: { jupyter_uml: IRecord };
}

/** What stands in the metadata of a cell's output. */
export interface IRecord {
  generation?: string;
  state?: string;
  [field: string]: unknown;
}

export interface IAnswersApi {
  /** Of a kernel. */
  generations(kernel: string): Promise<IGenerationRow[]>;
  answer(id: string): Promise<IAnswerOutput>;
}

/** An output in the notebook format, as far as it matters here. */
export interface IOutput {
  output_type: string;
  metadata?: { jupyter_uml?: IRecord };
  [field: string]: unknown;
}

/** A code cell. JupyterLab's own models have this shape. */
export interface ICell {
  readonly id: string;
  readonly type: string;
  readonly sharedModel: { getSource(): string };
  readonly outputs: {
    toJSON(): IOutput[];
    set(index: number, output: IOutput): void;
    fromJSON(outputs: IOutput[]): void;
  };
}
