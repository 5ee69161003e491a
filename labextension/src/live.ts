/** What the server says of itself, live: one store for the whole page. */
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { problemOf } from './problem';
import { type ILiveState, type IPull, type IRunning, type IStateMessage, merged, sampled, stamped, UNKNOWN } from './state';
import type { IHealth, IModelRow } from './types';

export type { IFound, ILiveState, IPull, IPullProgress, IRunning, ISample, IStateMessage } from './state';

export interface IListener {
  message(message: IStateMessage): void;
  /** The socket is closed, or could not be opened. Not called for what was disposed of. */
  ended(): void;
}

/** What of the server's routes is read here. Those that give a promise reject with `ApiError` or `Unreachable`. */
export interface ILiveApi {
  events(listener: IListener): IDisposable;
  models(): Promise<IModelRow[]>;
  health(): Promise<IHealth>;
  pulls(): Promise<IPull[]>;
  running(): Promise<IRunning[]>;
}

// Without a socket the server is asked; with one, too, now and then: a silent socket may be a dead one.
const POLLED_INTERVAL = 1000;
const PUSHED_INTERVAL = 15_000;
const LONGEST_INTERVAL = 15_000;
const RECONNECT = 1000;
const LONGEST_RECONNECT = 30_000;

export class LiveStore {
  constructor(private readonly _api: ILiveApi) {
    this._poll = new Poll({
      auto: false,
      factory: () => this._read(),
      frequency: frequency(POLLED_INTERVAL),
      name: 'jupyter-uml:state',
      standby: 'never'
    });
  }

  get state(): ILiveState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Somebody looks from now on, until it is disposed of: only then is the server listened to. */
  watch(): IDisposable {
    const watcher = { isDisposed: false, dispose: () => this._leave(watcher) };
    this._watchers.add(watcher);
    if (this._watchers.size === 1) {
      this._connect();
      void this._poll.schedule({ interval: POLLED_INTERVAL, phase: 'started' });
    }
    return watcher;
  }

  /** Ask now, whatever the interval. */
  refresh(): void {
    if (this.isWatched) {
      // Not `Poll.refresh`: that one is skipped while an earlier refresh is still under way.
      void this._poll.schedule({ interval: Poll.IMMEDIATE, phase: 'refreshed' });
    }
  }

  /** Something was asked of the server: see what comes of it, where it does not tell by itself. */
  expect(): void {
    if (!this._pushed) {
      this.refresh();
    }
  }

  /** Whether `state` is kept up to date. */
  get isWatched(): boolean {
    return this._watchers.size > 0;
  }

  /** The state as it is now: what is told comes a moment late. Rejects with `ApiError` or `Unreachable`. */
  async now(): Promise<ILiveState> {
    await this._read();
    return this._state;
  }

  /** How much has been heard so far; for `put`. */
  get heard(): number {
    return this._heard;
  }

  /** One model's row, as an action's answer has it. Of no use where the server has told of this model since `heard`. */
  put(row: IModelRow, heard: number): void {
    if (this._state.models && (this._told.get(row.id) ?? 0) <= heard) {
      this._asked++;
      const models = this._state.models.map(old => (old.id === row.id ? stamped(row) : old));
      this._update({ models });
    }
  }

  dispose(): void {
    [...this._watchers].forEach(watcher => watcher.dispose());
    this._poll.dispose();
    Signal.clearData(this);
  }

  private _leave(watcher: { isDisposed: boolean; dispose(): void }): void {
    watcher.isDisposed = true;
    if (this._watchers.delete(watcher) && this._watchers.size === 0) {
      this._asked++;
      this._disconnect();
      void this._poll.stop();
    }
  }

  // --- pushed ---

  private _connect(): void {
    this._disconnect();
    this._socket = this._api.events({ message: message => this._hear(message), ended: () => this._lost() });
  }

  private _disconnect(): void {
    clearTimeout(this._retry);
    this._pushed = false;
    this._poll.frequency = frequency(POLLED_INTERVAL);
    this._socket?.dispose();
    this._socket = null;
  }

  private _hear(message: IStateMessage): void {
    this._heard++;
    this._asked++;
    message.models?.forEach(row => this._told.set(row.id, this._heard));
    if (!this._pushed) {
      this._pushed = true;
      this._delay = RECONNECT;
      this._poll.frequency = frequency(PUSHED_INTERVAL);
      void this._poll.schedule({ interval: PUSHED_INTERVAL, phase: 'resolved' });
    }
    this._update({ ...merged(this._state, message), problem: null });
  }

  /** Reading now says whether it is the server that is away, or only its sockets. */
  private _lost(): void {
    this._disconnect();
    this.refresh();
    this._retry = setTimeout(() => this._connect(), this._delay);
    this._delay = Math.min(2 * this._delay, LONGEST_RECONNECT);
  }

  // --- polled ---

  private async _read(): Promise<void> {
    const asked = ++this._asked;
    try {
      const [models, health, pulls, running] = await Promise.all([
        this._api.models(),
        this._api.health().catch(() => null),
        this._api.pulls().catch(() => []),
        this._api.running().catch(() => [])
      ]);
      if (asked === this._asked) {
        this._take(models, health, pulls, running);
      }
    } catch (reason) {
      if (asked === this._asked) {
        this._update({ problem: problemOf(reason) });
      }
      throw reason;
    }
  }

  private _take(models: IModelRow[], health: IHealth | null, pulls: IPull[], running: IRunning[]): void {
    const isBack = this._state.problem !== null;
    // However open it looks: of this it should have told.
    const isDeaf = this._pushed && states(models) !== states(this._state.models ?? []);
    const memory = health?.memory ?? this._state.memory;
    const version = health?.version ?? this._state.version;
    const samples = this._pushed ? this._state.samples : sampled(models);
    this._update({ models: models.map(stamped), memory, version, samples, pulls, running, problem: null });
    if ((isBack || isDeaf) && this.isWatched) {
      this._connect();
    }
  }

  private _update(part: Partial<ILiveState>): void {
    this._state = { ...this._state, ...part };
    this._changed.emit();
  }

  /** Counts what makes an answer that is still awaited an old one. */
  private _asked = 0;
  private _changed = new Signal<this, void>(this);
  private _delay = RECONNECT;
  private _heard = 0;
  private _poll: Poll<void>;
  private _pushed = false;
  private _retry: ReturnType<typeof setTimeout> | undefined;
  private _socket: IDisposable | null = null;
  private _state = UNKNOWN;
  /** By model: when the socket told of it last, as `heard` counts. */
  private _told = new Map<string, number>();
  private _watchers = new Set<IDisposable>();
}

function states(rows: readonly IModelRow[]): string {
  return rows.map(({ id, state }) => `${id} ${state}`).join('\n');
}

function frequency(interval: number): { interval: number; backoff: number; max: number } {
  return { interval, backoff: 2, max: LONGEST_INTERVAL };
}
