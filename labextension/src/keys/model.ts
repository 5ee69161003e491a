/** The state of the section “API keys”. */
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { errorBody } from '../errors';
import type { IErrorBody } from '../types';
import type { IKeyRow, IKeysApi, INewKey } from './types';

const INTERVAL = 5000;
const LONGEST_INTERVAL = 30_000;

/** A key that was just made. */
export interface ISecret {
  id: string;
  name: string;
  secret: string;
}

export interface IKeysState {
  open: boolean;
  /** null: the server has not answered yet. */
  keys: readonly IKeyRow[] | null;
  /** Why the list cannot be read. */
  problem: IErrorBody | null;
  /** Shown until it is dismissed, and known nowhere else. */
  made: ISecret | null;
  creating: boolean;
  /** Why no key was made. */
  refusal: IErrorBody | null;
  revoking: ReadonlySet<string>;
  /** By key: why it was not revoked. */
  notices: ReadonlyMap<string, IErrorBody>;
}

export class KeysModel {
  constructor(
    private readonly _api: IKeysApi,
    private readonly _announce: (text: string) => void
  ) {
    this._poll = new Poll({
      auto: false,
      factory: () => this._fetch(),
      frequency: { interval: INTERVAL, backoff: 2, max: LONGEST_INTERVAL },
      name: 'jupyter-uml:keys',
      standby: 'never'
    });
  }

  get state(): IKeysState {
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
    this._look(() => this._update({ open: value }));
  }

  /** Ask now, whatever the interval. */
  refresh(): void {
    if (this._seen) {
      void this._poll.schedule({ interval: Poll.IMMEDIATE, phase: 'refreshed' });
    }
  }

  /** Whether the key was made. */
  async create(request: INewKey): Promise<boolean> {
    if (this._state.creating) {
      return false;
    }
    this._update({ creating: true, refusal: null });
    try {
      const { key: secret, ...row } = await this._api.createKey(request);
      this._put(row);
      this._update({ made: { id: row.id, name: row.name, secret } });
      return true;
    } catch (reason) {
      this._update({ refusal: errorBody(reason) });
      return false;
    } finally {
      this._update({ creating: false });
      this.refresh();
    }
  }

  async revoke(id: string): Promise<void> {
    this._update({ revoking: new Set(this._state.revoking).add(id) });
    this.dismiss(id);
    try {
      const row = await this._api.revokeKey(id);
      this._put(row);
      this._announce(`The key ${row.name} is revoked.`);
      if (this._state.made?.id === id) {
        this.forget();
      }
    } catch (reason) {
      this._update({ notices: new Map(this._state.notices).set(id, errorBody(reason)) });
    } finally {
      this._update({ revoking: new Set([...this._state.revoking].filter(other => other !== id)) });
      this.refresh();
    }
  }

  /** Forget the secret of the key that was made. */
  forget(): void {
    this._update({ made: null });
  }

  /** Take away the message about a key. */
  dismiss(id: string): void {
    this._update({ notices: new Map([...this._state.notices].filter(([other]) => other !== id)) });
  }

  dispose(): void {
    this._active = false;
    this.forget();
    this._poll.dispose();
    Signal.clearData(this);
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

  /** One key's new row. Answers to earlier questions about all keys are older than it. */
  private _put(row: IKeyRow): void {
    this._asked++;
    const keys = this._state.keys ?? [];
    const isNew = keys.every(({ id }) => id !== row.id);
    this._update({ keys: isNew ? [...keys, row] : keys.map(old => (old.id === row.id ? row : old)) });
  }

  private async _fetch(): Promise<void> {
    const asked = ++this._asked;
    try {
      const keys = await this._api.keys();
      if (asked === this._asked) {
        this._update({ keys, problem: null });
      }
    } catch (reason) {
      if (asked === this._asked) {
        this._update({ problem: errorBody(reason) });
      }
      throw reason;
    }
  }

  private _update(part: Partial<IKeysState>): void {
    this._state = { ...this._state, ...part };
    this._changed.emit();
  }

  private _active = false;
  private _asked = 0;
  private _changed = new Signal<this, void>(this);
  private _poll: Poll<void>;
  private _state: IKeysState = {
    open: false,
    keys: null,
    problem: null,
    made: null,
    creating: false,
    refusal: null,
    revoking: new Set(),
    notices: new Map()
  };
}
