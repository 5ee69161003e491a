import type { ICreatedKey, IKeyRow, IKeysApi, INewKey } from '../src/keys/types';
import type { IListener, ILiveApi, IPull, IRunning, ISample, IStateMessage } from '../src/live';
import type { IApi, IEstimate, IHealth, ILoadOptions, IModelRow } from '../src/types';

export function row(id: string, more: Partial<IModelRow> = {}): IModelRow {
  return {
    id,
    state: 'available',
    size_bytes: 1024,
    source: 'folder',
    progress: null,
    error: null,
    pid: null,
    memory_bytes: null,
    active: 0,
    tokens_per_second: null,
    settings: null,
    info: null,
    aliases: [],
    base: null,
    facts: null,
    reason: null,
    pinned: false,
    kernels: 0,
    expires_in: null,
    estimated_bytes: null,
    gpu_memory_bytes: null,
    waiting: 0,
    ...more
  };
}

export function estimate(model: string, more: Partial<IEstimate> = {}): IEstimate {
  return {
    model,
    verdict: 'fits: needs 1 MiB, has 9 MiB',
    fits: true,
    as_wished: true,
    settings: { n_ctx: 4096, n_parallel: 4, n_threads: 1, n_gpu_layers: 0, kv_type: 'f16' },
    needed_bytes: 2 ** 20,
    available_bytes: 9 * 2 ** 20,
    largest_context: 8192,
    parts: [],
    unloads: [],
    ...more
  };
}

const MEMORY = { total_bytes: 16, available_bytes: 9 };

export function sample(time: number, more: Partial<ISample> = {}): ISample {
  return {
    time,
    memory_bytes: 5,
    gpu_memory_bytes: null,
    cpu_percent: 0,
    tokens_per_second: 0,
    active: 0,
    waiting: 0,
    first_token: null,
    ...more
  };
}

/** A server whose answers the test decides, one property each. Its socket says nothing but what the test says. */
export class ScriptedApi implements IApi, ILiveApi {
  asked = 0;
  sockets = 0;
  histories: (id: string) => Promise<ISample[]> = async () => [];
  options: (ILoadOptions | undefined)[] = [];
  memory = MEMORY;
  rows: () => Promise<IModelRow[]> = async () => [];
  loads: (id: string) => Promise<IModelRow> = async id => row(id, { state: 'loading', progress: 0 });
  estimated: string[] = [];
  estimates: (id: string, options?: ILoadOptions) => Promise<IEstimate> = async id => estimate(id);
  pins: (boolean | undefined)[] = [];
  unloads: (id: string, force: boolean) => Promise<IModelRow> = async id => row(id);

  models(): Promise<IModelRow[]> {
    this.asked++;
    return this.rows();
  }

  async health(): Promise<IHealth> {
    return { status: 'ok', version: '0.1.0', loaded: [], memory: this.memory, url: null };
  }

  events(listener: IListener) {
    this.sockets++;
    this._listener = listener;
    return { isDisposed: false, dispose: () => (this._listener = null) };
  }

  /** Whether a socket is open. */
  get isHeard(): boolean {
    return this._listener !== null;
  }

  tell(message: IStateMessage): void {
    this._listener?.message(message);
  }

  /** The socket is closed, or was refused. */
  hangUp(): void {
    this._listener?.ended();
  }

  pulls = async (): Promise<IPull[]> => [];
  running = async (): Promise<IRunning[]> => [];

  history(id: string): Promise<ISample[]> {
    return this.histories(id);
  }

  async estimate(id: string, options?: ILoadOptions): Promise<IEstimate> {
    this.estimated.push(id);
    return this.estimates(id, options);
  }

  load(id: string, options?: ILoadOptions, pin?: boolean): Promise<IModelRow> {
    this.options.push(options);
    this.pins.push(pin);
    return this.loads(id);
  }

  unload(id: string, force: boolean): Promise<IModelRow> {
    return this.unloads(id, force);
  }

  private _listener: IListener | null = null;
}

export function keyRow(id: string, more: Partial<IKeyRow> = {}): IKeyRow {
  return {
    id,
    name: id,
    state: 'active',
    scopes: ['infer', 'models:read'],
    models: null,
    created: 0,
    expires_at: null,
    revoked_at: null,
    last_used: null,
    ephemeral: false,
    requests_per_minute: null,
    requests_per_hour: null,
    burst: null,
    tokens_per_minute: null,
    max_concurrent: null,
    ...more
  };
}

/** A server's keys. */
export class ScriptedKeysApi implements IKeysApi {
  asked = 0;
  rows: () => Promise<IKeyRow[]> = async () => [];
  creates: (key: INewKey) => Promise<ICreatedKey> = async key => ({ ...keyRow('k', { name: key.name }), key: 'uml_1' });
  revokes: (id: string) => Promise<IKeyRow> = async id => keyRow(id, { state: 'revoked', revoked_at: 1 });

  keys(): Promise<IKeyRow[]> {
    this.asked++;
    return this.rows();
  }

  createKey(key: INewKey): Promise<ICreatedKey> {
    return this.creates(key);
  }

  revokeKey(id: string): Promise<IKeyRow> {
    return this.revokes(id);
  }
}
