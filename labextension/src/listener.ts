import type { IDisposable } from '@lumino/disposable';

/** Hears what widgets in a page ask for by events of a type, which bubble. */
export class Listener implements IDisposable {
  constructor(
    private readonly _node: HTMLElement,
    private readonly _type: string,
    private readonly _hear: (event: Event) => void
  ) {
    _node.addEventListener(_type, _hear);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._node.removeEventListener(this._type, this._hear);
  }

  private _isDisposed = false;
}
