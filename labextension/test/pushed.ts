import type { IListener, ILiveApi, IStateMessage } from '../src/live';
import { LiveStore } from '../src/live';
import type { IPull, IRunning } from '../src/state';

/** A server that tells what the test wants it to tell. */
export class PushedApi implements ILiveApi {
  readonly live = new LiveStore(this);

  /** Somebody looks. */
  watch(): void {
    this.live.watch();
    this.tell({ order: [], models: [], pulls: [], running: [] });
  }

  tell(message: IStateMessage): void {
    this._listener?.message(message);
  }

  lose(): void {
    this._listener?.ended();
  }

  events(listener: IListener) {
    this._listener = listener;
    return { isDisposed: false, dispose: () => undefined };
  }

  models = async () => [];
  health = () => Promise.reject(new Error('not asked'));
  pulls = async () => [];
  running = async () => [];

  private _listener: IListener | null = null;
}

export function pull(id: string, model: string, more: Partial<IPull> = {}): IPull {
  return { id, model, found: null, progress: null, ...more };
}

export function answer(id: string, more: Partial<IRunning> = {}): IRunning {
  return {
    id,
    model: 'demo',
    kind: 'cell',
    route: 'chat',
    who: 'jupyter',
    own: true,
    question: 'Why?',
    started: 100,
    tokens: 12,
    tokens_per_second: 24.5,
    state: 'answering',
    ...more
  };
}

/** Lets promises settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => setImmediate(resolve));
  }
}
