import type { IApi, IHealth, IModelRow } from '../src/types';

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
    ...more
  };
}

const MEMORY = { total_bytes: 16, available_bytes: 9 };

/** A server whose answers the test decides, one property each. */
export class ScriptedApi implements IApi {
  asked = 0;
  rows: () => Promise<IModelRow[]> = async () => [];
  loads: (id: string) => Promise<IModelRow> = async id => row(id, { state: 'loading', progress: 0 });
  unloads: (id: string, force: boolean) => Promise<IModelRow> = async id => row(id);

  models(): Promise<IModelRow[]> {
    this.asked++;
    return this.rows();
  }

  async health(): Promise<IHealth> {
    return { status: 'ok', version: '0.1.0', loaded: [], memory: MEMORY, url: null };
  }

  load(id: string): Promise<IModelRow> {
    return this.loads(id);
  }

  unload(id: string, force: boolean): Promise<IModelRow> {
    return this.unloads(id, force);
  }
}
