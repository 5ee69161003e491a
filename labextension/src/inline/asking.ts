/** One suggestion in the making. */
import type { IInlineContext, IInlinePart } from './types';

/** What the signal is aborted by when nobody waits any more. */
export const MOVED_ON = 'moved on';

/** Ends when its text is whole, `stop` is called, the editor loses the focus, its text changes, or its tab is closed. */
export class Asking {
  constructor(ask: (signal: AbortSignal) => AsyncGenerator<IInlinePart>, context: IInlineContext) {
    this._parts = ask(this._controller.signal);
    this._leave = this._attend(context);
  }

  /** What has been said so far. */
  get text(): string {
    return this._text;
  }

  /** Which model says it; '' until it has ended. */
  get model(): string {
    return this._model;
  }

  get isWhole(): boolean {
    return this._isWhole;
  }

  get isStopped(): boolean {
    return this._controller.signal.aborted;
  }

  /** Until there is something to be shown, or nothing more to come. Rejects as the parts do. */
  async begin(): Promise<void> {
    while (!this._isWhole && this._text.trim() === '') {
      await this._read();
    }
  }

  /** The text as it grows. Ends without an error where the rest does not come. */
  async *growing(): AsyncGenerator<string> {
    try {
      while (!this._isWhole && !this.isStopped) {
        await this._read();
        yield this._text;
      }
    } catch {
      this.stop(); // what is there is shown already
    }
  }

  /** The server's model stops, too. */
  stop(): void {
    this._controller.abort(MOVED_ON);
    this._leave();
  }

  private async _read(): Promise<void> {
    try {
      const { done, value } = await this._parts.next();
      this._text += value?.text ?? '';
      this._model = value?.model ?? this._model;
      this._isWhole = done === true;
    } finally {
      if (this._isWhole || this.isStopped) {
        this._leave();
      }
    }
  }

  private _attend({ editor, widget }: IInlineContext): () => void {
    const stop = () => this.stop();
    const changed = (_: unknown, change: { sourceChange?: unknown }) => change.sourceChange && stop();
    const shared = editor?.model.sharedModel;
    shared?.changed.connect(changed);
    widget.disposed.connect(stop);
    editor?.host.addEventListener('focusout', stop);
    return () => {
      shared?.changed.disconnect(changed);
      widget.disposed.disconnect(stop);
      editor?.host.removeEventListener('focusout', stop);
    };
  }

  private readonly _controller = new AbortController();
  private readonly _leave: () => void;
  private readonly _parts: AsyncGenerator<IInlinePart>;
  private _isWhole = false;
  private _model = '';
  private _text = '';
}
