/** The state of the list of models: what the server says, what was asked of it, and what went wrong. */
import { type ISignal, Signal } from '@lumino/signaling';

import { errorBody } from '../errors';
import type { LiveStore } from '../live';
import type { ILiveState, ISample } from '../state';
import type { IApi, IErrorBody, ILoadOptions, IModelRow } from '../types';
import { changes } from './announce';
import { Forecasts, type IForecastMap } from './forecasts';
import { Histories } from './histories';
import { isLess, whole } from './loadoptions';
import { type IVerdictMap, Verdicts } from './verdicts';

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

export interface IState extends ILiveState {
  /** By model: the action whose answer is awaited. */
  pending: ReadonlyMap<string, Action>;
  notices: ReadonlyMap<string, INotice>;
  /** By model: what was chosen for its next load. */
  options: ReadonlyMap<string, ILoadOptions>;
  /** By model: with what it was loaded here last. */
  applied: ReadonlyMap<string, ILoadOptions>;
  /** By model: whether it would fit, with these options. */
  verdicts: IVerdictMap;
  /** By model whose options are open: what it would take with other contexts. */
  forecasts: IForecastMap;
  /** By model: its figures over the last hour, the oldest first. */
  histories: ReadonlyMap<string, readonly ISample[]>;
  /** What changed last, for screen readers. */
  announcement: string;
}

export class ModelsStore {
  constructor(
    private readonly _api: IApi,
    private readonly _live: LiveStore
  ) {
    const options = (id: string) => this._own.options.get(id);
    const asked = (id: string) => whole(this._row(id), options(id));
    this._verdicts = new Verdicts(_api, options, verdicts => this._update({ verdicts }), asked);
    this._forecasts = new Forecasts(_api, id => asked(id) ?? {}, forecasts => this._update({ forecasts }));
    this._histories = new Histories(_api, () => this._changed.emit());
    _live.changed.connect(this._follow, this);
  }

  get state(): IState {
    return { ...this._live.state, ...this._own, histories: this._histories.all };
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** With the options that were chosen for it. */
  load(id: string): Promise<void> {
    return this._load(id, this._own.options.get(id) ?? {});
  }

  /** A loaded one, with the options that were chosen for it; what is left open stays as it is. */
  async reload(id: string): Promise<void> {
    const row = this._row(id);
    const options = this._own.options.get(id) ?? {};
    if (!row || !this.mustUnload(id)) {
      return this._load(id, options);
    }
    await this.unload(id);
    if (!this._own.notices.has(id)) {
      await this._load(id, whole(row, options) ?? {}, row.pinned || undefined);
    }
  }

  /** Whether a reload has to unload it first: it is to have less than it has. */
  mustUnload(id: string): boolean {
    const settings = this._row(id)?.settings;
    return Boolean(settings) && isLess(this._own.options.get(id) ?? {}, settings!);
  }

  /** Keep it loaded whatever happens, or end that. */
  pin(id: string, pinned: boolean): Promise<void> {
    return this._act(id, 'pin', () => this._api.load(id, {}, pinned));
  }

  /** Also what calls off a load. */
  unload(id: string, force = false): Promise<void> {
    return this._act(id, force ? 'force-unload' : 'unload', () => this._api.unload(id, force));
  }

  /** Choose how it is loaded; nothing chosen: as the server thinks best. */
  choose(id: string, options: ILoadOptions): void {
    const others = without(this._own.options, id);
    this._update({ options: Object.keys(options).length > 0 ? new Map(others).set(id, options) : others });
    this._verdicts.renew(id);
    this._forecasts.renew(id);
  }

  /** Somebody has a slider of this model's context before him, which ends at `longest` tokens; 0: no longer. */
  plan(id: string, longest: number): void {
    this._forecasts.follow(id, longest);
  }

  /** Somebody sees this model and may want to load it, or no longer does. */
  see(id: string, seen: boolean): void {
    this._verdicts.see(id, seen);
  }

  /** Somebody sees this model's figures, or no longer does. */
  watch(id: string, seen: boolean): void {
    this._histories.see(id, seen);
  }

  note(id: string, notice: INotice): void {
    this._update({ notices: new Map(this._own.notices).set(id, notice) });
  }

  dismiss(id: string): void {
    this._update({ notices: without(this._own.notices, id) });
  }

  announce(announcement: string): void {
    this._update({ announcement });
  }

  dispose(): void {
    this._live.changed.disconnect(this._follow, this);
    this._verdicts.dispose();
    this._forecasts.dispose();
    Signal.clearData(this);
  }

  private _load(id: string, options: ILoadOptions, pin?: boolean): Promise<void> {
    return this._act(id, 'load', async () => {
      const row = await this._api.load(id, options, pin);
      this._update({ applied: new Map(this._own.applied).set(id, this._own.options.get(id) ?? {}) });
      return row;
    });
  }

  private _row(id: string): IModelRow | undefined {
    return this._live.state.models?.find(row => row.id === id);
  }

  private async _act(id: string, action: Action, call: () => Promise<IModelRow>): Promise<void> {
    this._update({
      pending: new Map(this._own.pending).set(id, action),
      notices: without(this._own.notices, id)
    });
    const { heard } = this._live;
    this._live.expect();
    try {
      this._live.put(await call(), heard);
    } catch (reason) {
      // A forced unload overtakes a draining one: what became of the first is then of no interest.
      if (this._own.pending.get(id) === action) {
        this.note(id, { action, error: errorBody(reason) });
      }
    } finally {
      if (this._own.pending.get(id) === action) {
        this._update({ pending: without(this._own.pending, id) });
      }
      this._live.expect();
    }
  }

  private _follow(): void {
    const { models, samples } = this._live.state;
    if (models !== this._before && models) {
      const announcement = changes(this._before, models) || this._own.announcement;
      this._own = { ...this._own, announcement };
      this._before = models;
    }
    this._histories.take(samples);
    this._changed.emit();
    this._judgeAgain();
  }

  /** Verdicts grow old when models come and go, here or elsewhere. */
  private _judgeAgain(): void {
    const { models, memory } = this._live.state;
    const up = (models ?? []).filter(row => row.memory_bytes !== null).map(row => row.id);
    const free = Math.round((memory?.available_bytes ?? 0) / Math.max(1, (memory?.total_bytes ?? 0) * NOTABLE));
    const [before, freeBefore] = this._judged;
    if (up.join() !== before || Math.abs(free - freeBefore) > 1) {
      this._judged = [up.join(), free];
      this._verdicts.expire();
    }
  }

  private _update(part: Partial<IOwn>): void {
    this._own = { ...this._own, ...part };
    this._changed.emit();
  }

  private _before: readonly IModelRow[] | null = null;
  private _changed = new Signal<this, void>(this);
  private readonly _forecasts: Forecasts;
  private readonly _histories: Histories;
  private _judged: [string, number] = ['', 0];
  private _own: IOwn = {
    pending: new Map(),
    notices: new Map(),
    options: new Map(),
    applied: new Map(),
    verdicts: new Map(),
    forecasts: new Map(),
    announcement: ''
  };
  private readonly _verdicts: Verdicts;
}

type IOwn = Omit<IState, keyof ILiveState | 'histories'>;

function without<T>(map: ReadonlyMap<string, T>, id: string): ReadonlyMap<string, T> {
  const rest = new Map(map);
  rest.delete(id);
  return rest;
}
