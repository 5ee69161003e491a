/** The server's answers, field by field as it sends them. */
import type { ISample } from './state';

export type ModelState = 'available' | 'queued' | 'loading' | 'loaded' | 'unloading' | 'restarting' | 'failed';

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
  kv_type: KvType;
}

export type KvType = 'f16' | 'q8_0' | 'q4_0';

/** What a person may choose for a load. What is left out the server chooses. */
export interface ILoadOptions {
  n_ctx?: number;
  n_parallel?: number;
  n_gpu_layers?: number;
  kv_type?: KvType;
  /** Seconds without a request after which it is unloaded; -1: never. */
  keep_alive?: number;
}

/** Bytes of what a model takes, by what they are for. */
export interface IMemoryPart {
  name: string;
  ram: number;
  gpu: number;
  /** false: in what is left over, such as computed prompts. */
  needed: boolean;
}

export interface IModelInfo {
  architecture: string;
  description: string;
  parameters: number;
  n_ctx_train: number;
  size_bytes: number;
  has_chat_template: boolean;
}

/** What is known of a model's file before it is loaded. */
export interface IModelFacts {
  kind: string;
  architecture: string;
  parameters: number;
  quantisation: string;
  n_ctx_train: number;
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
  aliases: readonly string[];
  /** Of a profile: the model that is loaded for it. */
  base: string | null;
  facts: IModelFacts | null;
  /** Why it can never be loaded. */
  reason: string | null;
  pinned: boolean;
  /** Notebooks that hold it. */
  kernels: number;
  /** Seconds after which it is unloaded, if nobody asks. */
  expires_in: number | null;
  /** The same as seconds since 1970 by this page's clock; the page adds it. */
  expires_at?: number | null;
  /** What it was expected to take, in RAM. */
  estimated_bytes: number | null;
  gpu_memory_bytes: number | null;
  /** Requests that wait for it to be loaded. */
  waiting: number;
}

/** The answer of `POST estimate`: whether a model would fit now, and how. */
export interface IEstimate {
  model: string;
  /** In words, with figures. */
  verdict: string;
  fits: boolean;
  as_wished: boolean;
  settings: ISettings;
  needed_bytes: number;
  available_bytes: number;
  /** Tokens for each sequence; 0: none fits. */
  largest_context: number;
  /** Of `settings`. */
  parts: readonly IMemoryPart[];
  /** Of what was asked for, which may not fit. A server of before does not tell. */
  wished_parts?: readonly IMemoryPart[];
  /** Idle models that would have to make room. */
  unloads: readonly string[];
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

/** What is asked of the server about models. Each call rejects with `ApiError` or `Unreachable`. */
export interface IApi {
  estimate(id: string, options?: ILoadOptions): Promise<IEstimate>;
  /** Returns at once; the progress is in the model's row. `pin`: left as it is where it is not given. */
  load(id: string, options?: ILoadOptions, pin?: boolean): Promise<IModelRow>;
  /** Returns when the model is gone; without `force` its running answers are awaited. */
  unload(id: string, force: boolean): Promise<IModelRow>;
  /** Figures of the last hour, the oldest first. */
  history(id: string): Promise<ISample[]>;
}
