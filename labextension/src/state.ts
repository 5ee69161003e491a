/** What the server says of itself: the messages of `WS events`, and what they add up to. */
import type { IProblem } from './problem';
import type { IMemory, IModelRow } from './types';

/** Figures of one model's worker at one time. */
export interface ISample {
  /** Seconds since 1970. */
  time: number;
  memory_bytes: number;
  gpu_memory_bytes: number | null;
  cpu_percent: number;
  /** All answers together. */
  tokens_per_second: number;
  active: number;
  waiting: number;
  /** Seconds to the first token, of those that had theirs lately. */
  first_token: number | null;
}

/** What a pull has chosen of a repository. */
export interface IFound {
  repository: string;
  commit: string;
  quantisation: string | null;
  files: readonly string[];
  size_bytes: number;
  /** Why this quantisation, in words. */
  why: string;
  offers: readonly { quantisation: string | null; file: string; size_bytes: number }[];
  other_formats: readonly string[];
}

/** How far a pull is. */
export interface IPullProgress {
  doing: 'downloading' | 'waiting' | 'retrying' | 'verifying';
  file: string;
  bytes: number;
  total_bytes: number;
  /** null, like the seconds: not known, or not yet. */
  bytes_per_second: number | null;
  seconds_left: number | null;
}

/** A row of `GET pull`. */
export interface IPull {
  id: string;
  model: string;
  found: IFound | null;
  progress: IPullProgress | null;
}

/** A row of `GET running`: an answer under way. */
export interface IRunning {
  id: string;
  model: string;
  kind: string;
  route: string;
  /** Name of who asked. */
  who: string;
  own: boolean;
  /** Its beginning; of one's own answers only, else empty. */
  question: string;
  /** Seconds since 1970. */
  started: number;
  tokens: number;
  tokens_per_second: number;
  state: 'waiting' | 'answering';
}

/** A message of `WS events`: everything in the first one, then what has changed. */
export interface IStateMessage {
  order?: readonly string[];
  models?: readonly IModelRow[];
  memory?: IMemory;
  samples?: Readonly<Record<string, ISample>>;
  pulls?: readonly IPull[];
  running?: readonly IRunning[];
  version?: string;
}

export interface ILiveState {
  /** In the server's order; null: the server has not answered yet. */
  models: readonly IModelRow[] | null;
  memory: IMemory | null;
  /** By model that is up: its newest figures. */
  samples: Readonly<Record<string, ISample>>;
  pulls: readonly IPull[];
  running: readonly IRunning[];
  version: string | null;
  /** Why nothing newer can be read. */
  problem: IProblem | null;
}

export const UNKNOWN: ILiveState = {
  models: null,
  memory: null,
  samples: {},
  pulls: [],
  running: [],
  version: null,
  problem: null
};

/** The state after a message. */
export function merged(state: ILiveState, message: IStateMessage): ILiveState {
  const { order, models, ...rest } = message;
  const rows = new Map((state.models ?? []).map(row => [row.id, row]));
  models?.forEach(row => rows.set(row.id, stamped(row)));
  const ids = order ?? [...rows.keys()];
  const found = order || models ? ids.flatMap(id => rows.get(id) ?? []) : state.models;
  const isUp = new Set((found ?? []).filter(row => row.memory_bytes !== null).map(row => row.id));
  const samples = Object.entries({ ...state.samples, ...rest.samples }).filter(([id]) => isUp.has(id));
  return { ...state, ...rest, models: found, samples: Object.fromEntries(samples) };
}

/** With the time at which it would be unloaded: what is left until then runs down without a word of the server. */
export function stamped(row: IModelRow): IModelRow {
  return { ...row, expires_at: row.expires_in === null ? null : Date.now() / 1000 + row.expires_in };
}

/** What the rows themselves say, where nobody sends samples. */
export function sampled(models: readonly IModelRow[]): Record<string, ISample> {
  const up = models.filter(row => row.memory_bytes !== null);
  return Object.fromEntries(up.map(row => [row.id, sample(row)]));
}

function sample(row: IModelRow): ISample {
  return {
    time: Date.now() / 1000,
    memory_bytes: row.memory_bytes ?? 0,
    gpu_memory_bytes: row.gpu_memory_bytes,
    cpu_percent: 0,
    tokens_per_second: row.tokens_per_second ?? 0,
    active: row.active,
    waiting: row.waiting,
    first_token: null
  };
}
