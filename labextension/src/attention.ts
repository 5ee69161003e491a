import type { IDisposable } from '@lumino/disposable';

import type { LiveStore } from './live';

/** Listens to the server while something that shows its state is on the screen, in a tab that is in front. */
export class Attention implements IDisposable {
  /** `tell`: whether it is so now. */
  constructor(
    private readonly _live: LiveStore,
    private readonly _tell: (seen: boolean) => void = () => undefined
  ) {
    document.addEventListener('visibilitychange', this._look);
  }

  /** Whether it is on the screen, were the tab in front. */
  set shown(value: boolean) {
    this._shown = value;
    this._look();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    document.removeEventListener('visibilitychange', this._look);
    this.shown = false;
    this._isDisposed = true;
  }

  private _look = (): void => {
    const seen = this._shown && !document.hidden;
    if (seen !== (this._watcher !== null)) {
      this._watcher?.dispose();
      this._watcher = seen ? this._live.watch() : null;
      this._tell(seen);
    }
  };

  private _isDisposed = false;
  private _shown = false;
  private _watcher: IDisposable | null = null;
}
