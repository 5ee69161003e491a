/** The server's answers, field by field as it sends them. */

export type ModelState = 'available' | 'loading' | 'loaded' | 'unloading' | 'restarting' | 'failed';

/** The `error` object of every refusal: OpenAI's four fields, and figures such as `needed_bytes`. */
export interface IErrorBody {
  message: string;
  code?: string | null;
  type?: string | null;
  param?: string | null;
  [figure: string]: unknown;
}

export interface ISettings {
  /** Tokens for each sequence, prompt and answer together. */
  n_ctx: number;
  /** Sequences that run side by side. */
  n_parallel: number;
  n_threads: number;
  n_gpu_layers: number;
  kv_type: string;
}

export interface IModelInfo {
  architecture: string;
  description: string;
  parameters: number;
  n_ctx_train: number;
  size_bytes: number;
  has_chat_template: boolean;
}

/** A row of `GET models`. */
export interface IModelRow {
  id: string;
  state: ModelState;
  size_bytes: number;
  source: string;
  /** 0 to 1 while loading. */
  progress: number | null;
  /** Why the state is `failed`. */
  error: IErrorBody | null;
  pid: number | null;
  memory_bytes: number | null;
  /** Answers running or queued. */
  active: number;
  tokens_per_second: number | null;
  settings: ISettings | null;
  info: IModelInfo | null;
}

export interface IMemory {
  total_bytes: number;
  available_bytes: number;
}

export interface IHealth {
  status: string;
  version: string;
  loaded: string[];
  memory: IMemory;
  url: string | null;
}

/** What the sidebar asks of the server. Each call rejects with `ApiError` or `Unreachable`. */
export interface IApi {
  models(): Promise<IModelRow[]>;
  health(): Promise<IHealth>;
  /** Returns at once; the progress is in the rows of `models`. */
  load(id: string): Promise<IModelRow>;
  /** Returns when the model is gone; without `force` its running answers are awaited. */
  unload(id: string, force: boolean): Promise<IModelRow>;
}
