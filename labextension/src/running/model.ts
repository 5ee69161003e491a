/** The state of the section “Running”. */
import { type ISignal, Signal } from '@lumino/signaling';

import { errorBody } from '../errors';
import type { LiveStore } from '../live';
import type { IRunning } from '../state';
import type { IErrorBody } from '../types';
import type { IRunningApi } from './types';

export interface IRunningState {
  open: boolean;
  /** The oldest first. */
  running: readonly IRunning[];
  stopping: ReadonlySet<string>;
  /** By answer: why it was not stopped. */
  notices: ReadonlyMap<string, IErrorBody>;
}

export class RunningModel {
  constructor(
    private readonly _api: IRunningApi,
    private readonly _live: LiveStore,
    private readonly _announce: (text: string) => void
  ) {
    _live.changed.connect(this._follow, this);
  }

  get state(): IRunningState {
    return { ...this._own, running: this._live.state.running };
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  set open(value: boolean) {
    this._update({ open: value });
  }

  async stop(id: string): Promise<void> {
    if (await this._stop(id)) {
      this._announce('The answer is stopped.');
    }
  }

  /** All that are running now. */
  async stopAll(): Promise<void> {
    const ids = this._live.state.running.map(({ id }) => id);
    const stopped = await Promise.all(ids.map(id => this._stop(id)));
    if (stopped.length > 0 && stopped.every(Boolean)) {
      this._announce('All answers are stopped.');
    }
  }

  /** Take away the message about an answer. */
  dismiss(id: string): void {
    this._update({ notices: new Map([...this._own.notices].filter(([other]) => other !== id)) });
  }

  dispose(): void {
    this._live.changed.disconnect(this._follow, this);
    Signal.clearData(this);
  }

  /** Whether it has ended, by us or by itself. */
  private async _stop(id: string): Promise<boolean> {
    this._update({ stopping: new Set(this._own.stopping).add(id) });
    this.dismiss(id);
    try {
      await this._api.stopRunning(id);
      return true;
    } catch (reason) {
      const error = errorBody(reason);
      if (error.code === 'generation_not_found') {
        return true;
      }
      this._update({
        stopping: new Set([...this._own.stopping].filter(other => other !== id)),
        notices: new Map(this._own.notices).set(id, error)
      });
      return false;
    } finally {
      this._live.expect();
    }
  }

  private _follow(): void {
    const ids = new Set(this._live.state.running.map(({ id }) => id));
    this._update({
      stopping: new Set([...this._own.stopping].filter(id => ids.has(id))),
      notices: new Map([...this._own.notices].filter(([id]) => ids.has(id)))
    });
  }

  private _update(part: Partial<IOwn>): void {
    this._own = { ...this._own, ...part };
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
  private _own: IOwn = { open: false, stopping: new Set(), notices: new Map() };
}

type IOwn = Omit<IRunningState, 'running'>;
