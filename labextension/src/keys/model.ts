/** The state of the section “API keys”. */
import { errorBody } from '../errors';
import { type IPolledState, PolledModel } from '../polled';
import type { IErrorBody } from '../types';
import type { IKeyRow, IKeysApi, INewKey } from './types';

/** A key that was just made. */
export interface ISecret {
  id: string;
  name: string;
  secret: string;
}

export interface IKeysState extends IPolledState {
  /** null: the server has not answered yet. */
  keys: readonly IKeyRow[] | null;
  /** Shown until it is dismissed, and known nowhere else. */
  made: ISecret | null;
  creating: boolean;
  /** Why no key was made. */
  refusal: IErrorBody | null;
  revoking: ReadonlySet<string>;
  /** By key: why it was not revoked. */
  notices: ReadonlyMap<string, IErrorBody>;
}

export class KeysModel extends PolledModel<IKeysState> {
  constructor(
    private readonly _api: IKeysApi,
    private readonly _announce: (text: string) => void
  ) {
    super(
      { name: 'keys', interval: 5000, longest: 30_000 },
      {
        open: false,
        keys: null,
        problem: null,
        made: null,
        creating: false,
        refusal: null,
        revoking: new Set(),
        notices: new Map()
      }
    );
  }

  /** Whether the key was made. */
  async create(request: INewKey): Promise<boolean> {
    if (this.state.creating) {
      return false;
    }
    this.update({ creating: true, refusal: null });
    try {
      const { key: secret, ...row } = await this._api.createKey(request);
      this._put(row);
      this.update({ made: { id: row.id, name: row.name, secret } });
      return true;
    } catch (reason) {
      this.update({ refusal: errorBody(reason) });
      return false;
    } finally {
      this.update({ creating: false });
      this.refresh();
    }
  }

  async revoke(id: string): Promise<void> {
    this.update({ revoking: new Set(this.state.revoking).add(id) });
    this.dismiss(id);
    try {
      const row = await this._api.revokeKey(id);
      this._put(row);
      this._announce(`The key ${row.name} is revoked.`);
      if (this.state.made?.id === id) {
        this.forget();
      }
    } catch (reason) {
      this.update({ notices: new Map(this.state.notices).set(id, errorBody(reason)) });
    } finally {
      this.update({ revoking: new Set([...this.state.revoking].filter(other => other !== id)) });
      this.refresh();
    }
  }

  /** Forget the secret of the key that was made. */
  forget(): void {
    this.update({ made: null });
  }

  /** Take away the message about a key. */
  dismiss(id: string): void {
    this.update({ notices: new Map([...this.state.notices].filter(([other]) => other !== id)) });
  }

  dispose(): void {
    this.forget();
    super.dispose();
  }

  protected async ask(): Promise<Partial<IKeysState>> {
    return { keys: await this._api.keys() };
  }

  /** One key's new row. Answers to earlier questions about all keys are older than it. */
  private _put(row: IKeyRow): void {
    this.outdate();
    const keys = this.state.keys ?? [];
    const isNew = keys.every(({ id }) => id !== row.id);
    this.update({ keys: isNew ? [...keys, row] : keys.map(old => (old.id === row.id ? row : old)) });
  }
}
