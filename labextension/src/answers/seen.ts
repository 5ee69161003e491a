/** The answers that this browser has shown whole: one of them that is not there any more has been cleared. */

const KEY = 'jupyter-uml:seen';
const MOST = 500; // the server keeps fewer of one person

export class Seen {
  constructor(private readonly _storage: Pick<Storage, 'getItem' | 'setItem'>) {}

  get ids(): ReadonlySet<string> {
    return new Set(this._read());
  }

  add(ids: readonly string[]): void {
    const known = this._read();
    const fresh = ids.filter(id => !known.includes(id));
    if (fresh.length === 0) {
      return;
    }
    try {
      this._storage.setItem(KEY, JSON.stringify([...known, ...fresh].slice(-MOST)));
    } catch {
      // A full or forbidden storage: a cleared answer may come back once.
    }
  }

  private _read(): string[] {
    try {
      const found: unknown = JSON.parse(this._storage.getItem(KEY) ?? '[]');
      return Array.isArray(found) ? found.filter(id => typeof id === 'string') : [];
    } catch {
      return [];
    }
  }
}
