/** Whether models would fit into memory: asked one after the other, for those that somebody sees. */
import { errorBody } from '../errors';
import type { IApi, IErrorBody, IEstimate, ILoadOptions } from '../types';

// After a change of the options: a slider that is being moved asks that often at most.
const PAUSE = 100;

/** What is known of one model: a verdict, or why there is none. `options`: what it is about. */
export type IVerdict = { options: ILoadOptions | undefined } & (
  | { estimate: IEstimate; refusal?: never }
  | { estimate?: never; refusal: IErrorBody }
);

export type IVerdictMap = ReadonlyMap<string, IVerdict>;

export class Verdicts {
  constructor(
    private readonly _api: Pick<IApi, 'estimate'>,
    private readonly _options: (id: string) => ILoadOptions | undefined,
    private readonly _changed: (known: IVerdictMap) => void,
    /** With what is left open in them. */
    private readonly _asked = _options
  ) {}

  /** Somebody sees this model, or no longer does. */
  see(id: string, seen: boolean): void {
    if (seen) {
      this._seen.add(id);
      void this._askAll();
    } else {
      this._seen.delete(id);
    }
  }

  /** The memory is used otherwise than before. What was said stays until there is something newer. */
  expire(): void {
    this._age++;
    void this._askAll();
  }

  /** It would be loaded with other options than before. */
  renew(id: string): void {
    this._ages.delete(id);
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      void this._askAll();
    }, PAUSE);
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._seen.clear();
  }

  private async _askAll(): Promise<void> {
    if (this._asking) {
      return;
    }
    this._asking = true;
    for (let id = this._next(); id !== undefined; id = this._next()) {
      this._ages.set(id, this._age);
      this._known = new Map(this._known).set(id, await this._judged(id));
      this._changed(this._known);
    }
    this._asking = false;
  }

  private async _judged(id: string): Promise<IVerdict> {
    const options = this._options(id);
    try {
      return { options, estimate: await this._api.estimate(id, this._asked(id)) };
    } catch (reason) {
      return { options, refusal: errorBody(reason) };
    }
  }

  /** Those that were never judged, or with other options, first. */
  private _next(): string | undefined {
    const old = [...this._seen].filter(id => this._ages.get(id) !== this._age);
    return old.find(id => !this._ages.has(id)) ?? old[0];
  }

  private _age = 0;
  private _ages = new Map<string, number>();
  private _asking = false;
  private _known: IVerdictMap = new Map();
  private _seen = new Set<string>();
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
