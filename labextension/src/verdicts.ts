/** Whether models would fit into memory: asked one after the other, for those that somebody sees. */
import type { IApi, IEstimate } from './types';

export class Verdicts {
  constructor(
    private readonly _api: Pick<IApi, 'estimate'>,
    private readonly _changed: (known: ReadonlyMap<string, IEstimate>) => void
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

  dispose(): void {
    this._seen.clear();
  }

  private async _askAll(): Promise<void> {
    if (this._asking) {
      return;
    }
    this._asking = true;
    for (let id = this._next(); id !== undefined; id = this._next()) {
      this._ages.set(id, this._age);
      // A model that cannot be judged says why when it is loaded.
      this._put(id, await this._api.estimate(id).catch(() => null));
    }
    this._asking = false;
  }

  private _put(id: string, verdict: IEstimate | null): void {
    const known = new Map(this._known);
    if (verdict) {
      known.set(id, verdict);
    } else {
      known.delete(id);
    }
    this._known = known;
    this._changed(known);
  }

  private _next(): string | undefined {
    return [...this._seen].find(id => this._ages.get(id) !== this._age);
  }

  private _age = 0;
  private _ages = new Map<string, number>();
  private _asking = false;
  private _known: ReadonlyMap<string, IEstimate> = new Map();
  private _seen = new Set<string>();
}
