/** What is asked of the server, and what of JupyterLab is needed for that: its own packages are large. */

/** The body of `POST inline_completion`. */
export interface IInlineQuestion {
  prefix: string;
  suffix: string;
  language: string;
  model: string;
  max_tokens: number;
}

/** A piece of the answer; the last one says what made it. */
export interface IInlinePart {
  text: string;
  model?: string;
}

export interface IInlineApi {
  /**
   * The answer, piece by piece. Aborting the signal stops the model, too.
   *
   * Throws `ApiError` or `Unreachable`, and what the signal was aborted by.
   */
  inlineCompletion(question: IInlineQuestion, signal: AbortSignal): AsyncGenerator<IInlinePart>;
}

/** As in `schema/inline.json`. */
export interface IInlineSettings {
  enabled: boolean;
  model: string;
  maxTokens: number;
  /** Characters around the cursor that the model reads. */
  context: number;
  earlierCells: boolean;
}

/** A cursor in a text: `offset` in UTF-16 units. */
export interface IPlace {
  text: string;
  offset: number;
  mimeType: string;
}

export interface ISharedText {
  getSource(): string;
}

export interface ICell {
  readonly type: string;
  readonly sharedModel: ISharedText;
}

interface ISignalLike<T> {
  connect(slot: (sender: unknown, args: T) => void): boolean;
  disconnect(slot: (sender: unknown, args: T) => void): boolean;
}

export interface IEditor<P = unknown> {
  readonly host: HTMLElement;
  readonly model: { sharedModel: ISharedText & { changed: ISignalLike<{ sourceChange?: unknown }> } };
  hasFocus(): boolean;
  getCursorPosition(): P;
  getOffsetAt(position: P): number;
}

/** A notebook, a console or a file, and the editor in it that has the cursor. */
export interface IInlineContext {
  readonly triggerKind: number;
  readonly editor?: IEditor | null;
  readonly widget: {
    readonly context?: { readonly model?: { readonly cells?: Iterable<ICell> } };
    readonly disposed: ISignalLike<void>;
  };
}

/** As `InlineCompletionTriggerKind` of `@jupyterlab/completer` has it: nobody asked, somebody has stopped typing. */
export const AUTOMATIC = 1;
