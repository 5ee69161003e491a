/** Suggestions of the loaded model, as JupyterLab's inline completer asks for them. */
import type { IInlineCompletionItem, IInlineCompletionList, IInlineCompletionProvider } from '@jupyterlab/completer';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { ApiError } from '../errors';
import { Asking } from './asking';
import { above, isCurrent, isUnwelcome, languageOf, placeOf, surroundings } from './place';
import { AUTOMATIC, type IInlineApi, type IInlineContext, type IInlineSettings, type IPlace } from './types';

const NOTHING: IInlineCompletionList = { items: [] };
const DELAY = 90; // milliseconds without a key, after which somebody pauses
const TIMEOUT = 10_000;

/**
 * `model`: which made the last suggestion; '' where none has, with these settings. `problem`: why there was no suggestion the last time;
 * null: nothing was wrong.
 */
export interface IInlineStatus {
  asking: boolean;
  model: string;
  problem: string | null;
}

interface IKnown {
  place: IPlace;
  text: string;
}

export class InlineProvider implements IInlineCompletionProvider {
  readonly identifier = 'jupyter-uml:inline';
  readonly name = 'Models';
  // What JupyterLab's own settings of the inline completer begin with. Ours decide whether anything is asked at all.
  readonly schema = {
    type: 'object',
    properties: {},
    default: { enabled: true, autoFillInMiddle: true, debouncerDelay: DELAY, timeout: TIMEOUT }
  } as const;

  constructor(
    private readonly _api: IInlineApi,
    private readonly _settings: () => IInlineSettings,
    readonly icon: LabIcon
  ) {}

  get status(): IInlineStatus {
    return this._status;
  }

  get statusChanged(): ISignal<this, void> {
    return this._statusChanged;
  }

  /** JupyterLab waits no longer than this, so neither does the model. */
  configure(settings: { timeout?: unknown } | undefined): void {
    this._timeout = typeof settings?.timeout === 'number' ? settings.timeout : TIMEOUT;
  }

  /** Somebody does something else: a key, a click. `dismissed`: and wants no suggestion at this place. */
  interrupt(dismissed = false): void {
    this._dismissed = dismissed;
    this._asking?.stop();
  }

  /** What was suggested is not what would be suggested now, nor by the same model. */
  forget(): void {
    this._asking?.stop();
    this._known = null;
    this._tell({ ...this._status, model: '' });
  }

  async fetch(
    request: { text: string; offset: number; mimeType?: string },
    context: IInlineContext
  ): Promise<IInlineCompletionList> {
    this._asking?.stop();
    const place = placeOf(request);
    if (!this._settings().enabled || (context.triggerKind === AUTOMATIC && this._isUnwelcome(place, context))) {
      return NOTHING;
    }
    const rest = context.triggerKind === AUTOMATIC ? this._rest(place) : ''; // who asks wants a new one
    return rest === '' ? this._ask(place, context) : { items: [{ insertText: rest }] };
  }

  /** The rest of a suggestion that is shown already. */
  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }> {
    const streamed = this._streamed;
    if (streamed === null || token !== streamed.token) {
      return;
    }
    for await (const insertText of streamed.asking.growing()) {
      yield { response: { insertText } };
    }
    this._ended(streamed.asking, streamed.place);
  }

  private async _ask(place: IPlace, context: IInlineContext): Promise<IInlineCompletionList> {
    const question = this._question(place, context);
    const asking = new Asking(signal => this._api.inlineCompletion(question, signal), context);
    this._asking = asking;
    this._tell({ ...this._status, asking: true, problem: null });
    const timer = setTimeout(() => asking.stop(), this._timeout);
    try {
      await asking.begin();
    } catch (reason) {
      this._failed(asking, reason);
      return NOTHING;
    } finally {
      clearTimeout(timer);
    }
    return this._begun(asking, place);
  }

  private _begun(asking: Asking, place: IPlace): IInlineCompletionList {
    if (asking.isStopped) {
      return NOTHING;
    }
    if (asking.isWhole) {
      this._ended(asking, place);
      return asking.text.trim() === '' ? NOTHING : { items: [{ insertText: asking.text }] };
    }
    const token = `${++this._count}`;
    this._streamed = { token, asking, place };
    return { items: [{ insertText: asking.text, isIncomplete: true, token }] };
  }

  private _ended(asking: Asking, place: IPlace): void {
    if (asking.isWhole && !asking.isStopped) {
      this._known = { place, text: asking.text };
    }
    this._rests(asking, null);
  }

  private _failed(asking: Asking, reason: unknown): void {
    asking.stop();
    const isRefusal = reason instanceof ApiError;
    const problem = reason instanceof Error && (isRefusal || reason.name === 'Unreachable') ? reason.message : null;
    this._rests(asking, problem);
  }

  /** Unless a newer one is being asked for. */
  private _rests(asking: Asking, problem: string | null): void {
    if (this._asking === asking) {
      this._asking = null;
      this._tell({ asking: false, model: asking.model || this._status.model, problem });
    }
  }

  /** What is left of the last suggestion, where somebody has typed what it begins with. */
  private _rest(place: IPlace): string {
    if (this._known === null) {
      return '';
    }
    const { place: before, text } = this._known;
    const typed = place.text.slice(before.offset, place.offset);
    const isSame =
      place.text.slice(0, before.offset) === before.text.slice(0, before.offset) &&
      place.text.slice(place.offset) === before.text.slice(before.offset) &&
      place.offset >= before.offset &&
      text.startsWith(typed);
    const rest = isSame ? text.slice(typed.length) : '';
    return rest.trim() === '' ? '' : rest;
  }

  private _isUnwelcome(place: IPlace, { editor }: IInlineContext): boolean {
    return this._dismissed || isUnwelcome(place) || (editor != null && !isCurrent(place, editor));
  }

  private _question(place: IPlace, { editor, widget }: IInlineContext) {
    const { model, maxTokens, context, earlierCells } = this._settings();
    const language = languageOf(place.mimeType);
    const cells = (earlierCells && widget.context?.model?.cells) || [];
    const before = above(cells, editor?.model.sharedModel, language, context);
    return { ...surroundings(place, before, context), language, model, max_tokens: maxTokens };
  }

  private _tell(status: IInlineStatus): void {
    this._status = status;
    this._statusChanged.emit();
  }

  private _asking: Asking | null = null;
  private _count = 0;
  private _dismissed = false;
  private _known: IKnown | null = null;
  private _status: IInlineStatus = { asking: false, model: '', problem: null };
  private _statusChanged = new Signal<this, void>(this);
  private _streamed: { token: string; asking: Asking; place: IPlace } | null = null;
  private _timeout = TIMEOUT;
}
