import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { errorBody } from './errors';
import type { IErrorBody } from './types';

export interface IPolledState {
  open: boolean;
  /** Why the server's answer cannot be had. */
  problem: IErrorBody | null;
}

interface IOptions {
  name: string;
  /** Between two questions, in ms, and the longest that it becomes while they fail. */
  interval: number;
  longest: number;
}

/** The state of a section about which the server is asked again and again, while somebody looks at it. */
export abstract class PolledModel<T extends IPolledState> implements IDisposable {
  constructor({ name, interval, longest }: IOptions, initial: T) {
    this._state = initial;
    this._poll = new Poll({
      auto: false,
      factory: () => this._fetch(),
      frequency: { interval, backoff: 2, max: longest },
      name: `jupyter-uml:${name}`,
      standby: 'never'
    });
  }

  get state(): T {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether somebody looks at the sidebar: only then, and while the section is open, is the server asked. */
  set active(value: boolean) {
    this._look(() => (this._active = value));
  }

  set open(value: boolean) {
    this._look(() => this.update({ open: value } as Partial<T>));
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  /** Ask now, whatever the interval. */
  refresh(): void {
    if (this._seen) {
      void this._poll.schedule({ interval: Poll.IMMEDIATE, phase: 'refreshed' });
    }
  }

  dispose(): void {
    this._active = false;
    this._poll.dispose();
    Signal.clearData(this);
  }

  /** What the server says now. */
  protected abstract ask(): Promise<Partial<T>>;

  /** What is on its way was asked before something that is known here: it does not count any more. */
  protected outdate(): void {
    this._asked++;
  }

  protected update(part: Partial<T>): void {
    this._state = { ...this._state, ...part };
    this._changed.emit();
  }

  private get _seen(): boolean {
    return this._active && this._state.open;
  }

  private _look(change: () => void): void {
    const before = this._seen;
    change();
    if (this._seen && !before) {
      this.refresh();
    } else if (!this._seen && before) {
      void this._poll.stop();
    }
  }

  private async _fetch(): Promise<void> {
    const asked = ++this._asked;
    const tell = (part: Partial<T>) => asked === this._asked && this.update(part);
    try {
      tell({ ...(await this.ask()), problem: null });
    } catch (reason) {
      tell({ problem: errorBody(reason) } as Partial<T>);
      throw reason;
    }
  }

  private _active = false;
  private _asked = 0;
  private _changed = new Signal<this, void>(this);
  private _poll: Poll<void>;
  private _state: T;
}
