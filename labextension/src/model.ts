/** The sidebar's state: what the server says, what was asked of it, and what went wrong. */
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { changes } from './announce';
import { errorBody } from './errors';
import { type IProblem, problemOf } from './problem';
import type { IApi, IErrorBody, IEstimate, IMemory, IModelRow } from './types';
import { Verdicts } from './verdicts';

const BUSY_INTERVAL = 1000;
const IDLE_INTERVAL = 2000;
const LONGEST_INTERVAL = 15_000;
// A change of the free memory, as a share of all, by which verdicts grow old.
const NOTABLE = 0.03;

export type Action = 'load' | 'unload' | 'force-unload' | 'pin' | 'copy';

/** An action that failed, shown until it is dismissed or the model is acted upon again. */
export interface INotice {
  action: Action;
  error: IErrorBody;
  /** Text for the reader to copy by hand. */
  text?: string;
}

export interface IState {
  /** null: the server has not answered yet. */
  rows: readonly IModelRow[] | null;
  memory: IMemory | null;
  /** By model: the action whose answer is awaited. */
  pending: ReadonlyMap<string, Action>;
  notices: ReadonlyMap<string, INotice>;
  /** By model: whether it would fit. */
  verdicts: ReadonlyMap<string, IEstimate>;
  /** Why the list cannot be read. */
  problem: IProblem | null;
  /** What changed last, for screen readers. */
  announcement: string;
}

export class SidebarModel {
  constructor(private readonly _api: IApi) {
    this._verdicts = new Verdicts(_api, verdicts => this._update({ verdicts }));
    this._poll = new Poll({
      auto: false,
      factory: () => this._fetch(),
      frequency: frequency(IDLE_INTERVAL),
      name: 'jupyter-uml:models',
      standby: 'never'
    });
  }

  get state(): IState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether somebody looks: only then is the server asked. */
  get active(): boolean {
    return this._active;
  }
  set active(value: boolean) {
    if (value === this._active) {
      return;
    }
    this._active = value;
    if (value) {
      this.refresh();
    } else {
      void this._poll.stop();
    }
  }

  /** Ask now, whatever the interval. */
  refresh(): void {
    if (this._active) {
      this._poll.frequency = frequency(isBusy(this._state) ? BUSY_INTERVAL : IDLE_INTERVAL);
      // Not `Poll.refresh`: that one is skipped while an earlier refresh is still under way.
      void this._poll.schedule({ interval: Poll.IMMEDIATE, phase: 'refreshed' });
    }
  }

  load(id: string): Promise<void> {
    return this._act(id, 'load', () => this._api.load(id));
  }

  /** Keep it loaded whatever happens, or end that. */
  pin(id: string, pinned: boolean): Promise<void> {
    return this._act(id, 'pin', () => this._api.load(id, pinned));
  }

  /** Somebody sees this model and may want to load it, or no longer does. */
  see(id: string, seen: boolean): void {
    this._verdicts.see(id, seen);
  }

  unload(id: string, force = false): Promise<void> {
    return this._act(id, force ? 'force-unload' : 'unload', () => this._api.unload(id, force));
  }

  note(id: string, notice: INotice): void {
    this._update({ notices: new Map(this._state.notices).set(id, notice) });
  }

  dismiss(id: string): void {
    this._update({ notices: without(this._state.notices, id) });
  }

  announce(announcement: string): void {
    this._update({ announcement });
  }

  dispose(): void {
    this._active = false;
    this._poll.dispose();
    this._verdicts.dispose();
    Signal.clearData(this);
  }

  private async _act(id: string, action: Action, call: () => Promise<IModelRow>): Promise<void> {
    this._update({
      pending: new Map(this._state.pending).set(id, action),
      notices: without(this._state.notices, id)
    });
    this.refresh();
    try {
      this._put(await call());
    } catch (reason) {
      // A forced unload overtakes a draining one: what became of the first is then of no interest.
      if (this._state.pending.get(id) === action) {
        this.note(id, { action, error: errorBody(reason) });
      }
    } finally {
      if (this._state.pending.get(id) === action) {
        this._update({ pending: without(this._state.pending, id) });
      }
      this.refresh();
    }
  }

  /** One model's new row. Answers to earlier questions about all models are older than it. */
  private _put(row: IModelRow): void {
    this._asked++;
    this._show((this._state.rows ?? []).map(old => (old.id === row.id ? row : old)));
  }

  private async _fetch(): Promise<void> {
    const asked = ++this._asked;
    try {
      const [rows, memory] = await Promise.all([this._api.models(), this._memory()]);
      if (asked === this._asked) {
        this._show(rows, { memory, problem: null });
        this._poll.frequency = frequency(isBusy(this._state) ? BUSY_INTERVAL : IDLE_INTERVAL);
      }
    } catch (reason) {
      if (asked === this._asked) {
        this._update({ problem: problemOf(reason) });
      }
      throw reason;
    }
  }

  /** The footer alone hangs on this: without an answer the last figures stay. */
  private async _memory(): Promise<IMemory | null> {
    try {
      return (await this._api.health()).memory;
    } catch {
      return this._state.memory;
    }
  }

  private _show(rows: readonly IModelRow[], more: Partial<IState> = {}): void {
    const announcement = changes(this._state.rows, rows) || this._state.announcement;
    this._update({ ...more, rows, announcement });
    this._judgeAgain();
  }

  /** Verdicts grow old when models come and go, here or elsewhere. */
  private _judgeAgain(): void {
    const { rows, memory } = this._state;
    const up = (rows ?? []).filter(row => row.memory_bytes !== null).map(row => row.id);
    const free = Math.round((memory?.available_bytes ?? 0) / Math.max(1, (memory?.total_bytes ?? 0) * NOTABLE));
    const [before, freeBefore] = this._judged;
    if (up.join() !== before || Math.abs(free - freeBefore) > 1) {
      this._judged = [up.join(), free];
      this._verdicts.expire();
    }
  }

  private _update(part: Partial<IState>): void {
    this._state = { ...this._state, ...part };
    this._changed.emit();
  }

  private _active = false;
  private _asked = 0;
  private _changed = new Signal<this, void>(this);
  private _judged: [string, number] = ['', 0];
  private _poll: Poll<void>;
  private readonly _verdicts: Verdicts;
  private _state: IState = {
    rows: null,
    memory: null,
    pending: new Map(),
    notices: new Map(),
    verdicts: new Map(),
    problem: null,
    announcement: ''
  };
}

/** Whether something moves that is worth a closer look. */
function isBusy({ rows, pending }: IState): boolean {
  return (
    pending.size > 0 ||
    (rows ?? []).some(row => row.active > 0 || ['queued', 'loading', 'unloading', 'restarting'].includes(row.state))
  );
}

function frequency(interval: number): { interval: number; backoff: number; max: number } {
  return { interval, backoff: 2, max: LONGEST_INTERVAL };
}

function without<T>(map: ReadonlyMap<string, T>, id: string): ReadonlyMap<string, T> {
  const rest = new Map(map);
  rest.delete(id);
  return rest;
}
