/** What models would take with other contexts, known ahead, so that a bar can follow a slider without asking. */
import type { IApi, ILoadOptions, IMemoryPart } from '../types';

const SMALLEST = 256;
/** After a change of the other options. */
const PAUSE = 200;

/** What a model would take with a context of so many tokens. */
export interface IPoint {
  n_ctx: number;
  parts: readonly IMemoryPart[];
}

export type IForecastMap = ReadonlyMap<string, readonly IPoint[]>;

export class Forecasts {
  constructor(
    private readonly _api: Pick<IApi, 'estimate'>,
    private readonly _options: (id: string) => ILoadOptions,
    private readonly _changed: (known: IForecastMap) => void
  ) {}

  /** Somebody has a slider of this model before him, which ends at `longest` tokens; 0: no longer. */
  follow(id: string, longest: number): void {
    this._longest.set(id, longest);
    void this._read(id);
  }

  /** It would be loaded with other options than before. */
  renew(id: string): void {
    if (this._longest.get(id) && this._readings.get(id)?.about !== others(this._options(id))) {
      this._put(id, []);
      clearTimeout(this._timers.get(id));
      this._timers.set(
        id,
        setTimeout(() => void this._read(id), PAUSE)
      );
    }
  }

  dispose(): void {
    this._timers.forEach(timer => clearTimeout(timer));
    this._readings.clear();
    this._longest.clear();
  }

  private async _read(id: string): Promise<void> {
    const options = this._options(id);
    const reading = { about: others(options) };
    this._readings.set(id, reading);
    const points: IPoint[] = [];
    for (const n_ctx of lengths(this._longest.get(id) ?? 0)) {
      const estimate = await this._api.estimate(id, { ...options, n_ctx }).catch(() => null);
      if (!estimate || this._readings.get(id) !== reading) {
        return;
      }
      points.push({ n_ctx, parts: estimate.wished_parts?.length ? estimate.wished_parts : estimate.parts });
    }
    this._put(id, points);
  }

  private _put(id: string, points: readonly IPoint[]): void {
    this._known = new Map(this._known).set(id, points);
    this._changed(this._known);
  }

  private _known: IForecastMap = new Map();
  private _longest = new Map<string, number>();
  /** By model: the newest one, and the options but the context that it is about. */
  private _readings = new Map<string, { about: string }>();
  private _timers = new Map<string, ReturnType<typeof setTimeout>>();
}

/** In between, memory grows nearly as a straight line. `points`: the shortest first, two at least. */
export function partsAt(points: readonly IPoint[], nCtx: number): IMemoryPart[] {
  const found = points.findIndex(point => point.n_ctx >= nCtx);
  const after = Math.max(1, found < 0 ? points.length - 1 : found);
  const [from, to] = [points[after - 1]!, points[after]!];
  const share = (nCtx - from.n_ctx) / (to.n_ctx - from.n_ctx);
  const between = (a: number, b: number) => Math.max(0, Math.round(a + share * (b - a)));
  return to.parts.map(part => {
    const { ram = 0, gpu = 0 } = from.parts.find(({ name }) => name === part.name) ?? {};
    return { ...part, ram: between(ram, part.ram), gpu: between(gpu, part.gpu) };
  });
}

/** A few, from the shortest to the longest. */
function lengths(longest: number): number[] {
  const found: number[] = [];
  for (let tokens = SMALLEST; tokens < longest; tokens *= 2) {
    found.push(tokens);
  }
  return longest > 0 ? [...found, longest] : [];
}

function others({ n_parallel, kv_type, n_gpu_layers }: ILoadOptions): string {
  return JSON.stringify([n_parallel, kv_type, n_gpu_layers]);
}
