/** The figures of models over the last hour: what the server remembers, and what it tells from then on. */
import type { ISample } from '../state';
import type { IApi } from '../types';

const LONGEST = 3600;
/** Seconds between two samples after which something is missing between them. */
export const GAP = 10;

export class Histories {
  constructor(
    private readonly _api: Pick<IApi, 'history'>,
    private readonly _changed: () => void
  ) {}

  get all(): ReadonlyMap<string, readonly ISample[]> {
    return this._samples;
  }

  /** The oldest first. */
  of(id: string): readonly ISample[] {
    return this._samples.get(id) ?? [];
  }

  /** Somebody looks at this model's figures, or no longer does. */
  see(id: string, seen: boolean): void {
    if (!seen) {
      this._seen.delete(id);
    } else if (!this._seen.has(id)) {
      this._seen.add(id);
      void this._read(id);
    }
  }

  /** The newest samples of all models that are up. One may be older than what is known: this page's own clock, by
   * which it counts while it has to ask, may go before the server's. */
  take(newest: Readonly<Record<string, ISample>>): void {
    for (const [id, sample] of Object.entries(newest)) {
      const last = this.of(id).at(-1);
      if (sample.time !== last?.time) {
        this._put(id, [...this.of(id).filter(({ time }) => time < sample.time), sample]);
        if (last && sample.time - last.time > GAP && this._seen.has(id)) {
          void this._read(id);
        }
      }
    }
  }

  private async _read(id: string): Promise<void> {
    const told = await this._api.history(id).catch(() => []);
    const end = told.at(-1)?.time ?? 0;
    this._put(id, [...told, ...this.of(id).filter(sample => sample.time > end)]);
    this._changed();
  }

  private _put(id: string, samples: readonly ISample[]): void {
    const oldest = (samples.at(-1)?.time ?? 0) - LONGEST;
    this._samples.set(
      id,
      samples.filter(sample => sample.time >= oldest)
    );
  }

  private _samples = new Map<string, readonly ISample[]>();
  private _seen = new Set<string>();
}
