/** The state of the section “Pull a model”. */
import { type ISignal, Signal } from '@lumino/signaling';

import { errorBody } from '../errors';
import type { LiveStore } from '../live';
import type { IPull } from '../state';
import type { IErrorBody } from '../types';
import type { ILook, IOutcome, IPullApi } from './types';

/** Pulls that have ended, as many as are shown. */
const MOST_ENDED = 5;
/** Of a pull that the server knows no longer. */
const INTERRUPTED: IErrorBody = {
  message: 'The server was started again meanwhile. What had come is kept: a new pull goes on from there.',
  code: 'pull_interrupted'
};

export interface IPullsState {
  open: boolean;
  /** Which repository is just looked at, or would be pulled. */
  looking: boolean;
  look: ILook | null;
  starting: boolean;
  /** Why nothing was found, or no pull begun. */
  refusal: IErrorBody | null;
  /** Those that run, whoever began them. */
  pulls: readonly IPull[];
  cancelling: ReadonlySet<string>;
  /** The newest first, until they are dismissed. */
  ended: readonly IOutcome[];
}

export class PullsModel {
  constructor(
    private readonly _api: IPullApi,
    private readonly _live: LiveStore,
    private readonly _announce: (text: string) => void
  ) {
    _live.changed.connect(this._follow, this);
  }

  get state(): IPullsState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  set open(value: boolean) {
    this._update({ open: value });
  }

  /** What would be pulled, and why. A newer question makes an older one void. */
  async look(model: string): Promise<void> {
    const asked = ++this._asked;
    this._update({ looking: true, refusal: null });
    try {
      const look = await this._api.look(model);
      if (asked === this._asked) {
        this._update({ look, looking: false });
        this._announce(`${look.model}: ${look.why}`);
      }
    } catch (reason) {
      if (asked === this._asked) {
        this._update({ look: null, looking: false, refusal: errorBody(reason) });
      }
    }
  }

  /** Forget what would be pulled. */
  forget(): void {
    this._asked++;
    this._update({ look: null, looking: false, refusal: null });
  }

  /** Whether it has begun, or ran already. */
  async start(model: string): Promise<boolean> {
    if (this._state.starting) {
      return false;
    }
    this._update({ starting: true, refusal: null });
    try {
      this._begin(await this._api.startPull(model));
      return true;
    } catch (reason) {
      this._update({ refusal: errorBody(reason) });
      return false;
    } finally {
      this._update({ starting: false });
      this._live.expect();
      this._follow(); // it may be over already
    }
  }

  /** Begin one again that has ended. */
  async again({ id, model }: IOutcome): Promise<void> {
    this.dismiss(id);
    await this.start(model);
  }

  async cancel(id: string): Promise<void> {
    this._update({ cancelling: new Set(this._state.cancelling).add(id) });
    try {
      await this._api.cancelPull(id);
    } catch (reason) {
      const error = errorBody(reason);
      // Where it has ended by itself, it is asked how, as of every other.
      if (error.code !== 'pull_not_found') {
        this._update({ refusal: error });
      }
    } finally {
      this._update({ cancelling: without(this._state.cancelling, id) });
      this._live.expect();
      this._follow();
    }
  }

  dismiss(id: string): void {
    this._update({ ended: this._state.ended.filter(pull => pull.id !== id) });
  }

  dispose(): void {
    this._live.changed.disconnect(this._follow, this);
    Signal.clearData(this);
  }

  private _begin(pull: IPull): void {
    this._asked++;
    this._known.set(pull.id, this._known.get(pull.id) ?? pull);
    const ended = this._state.ended.filter(({ model }) => model !== pull.model);
    this._update({ look: null, looking: false, ended, pulls: [...this._known.values()] });
    this._announce(`Pulling ${pull.model}.`);
  }

  /** What the server no longer tells of has ended; how, it is asked. */
  private _follow(): void {
    const { pulls } = this._live.state;
    const running = new Set(pulls.map(({ id }) => id));
    pulls.forEach(pull => this._known.set(pull.id, pull));
    [...this._known.keys()].filter(id => !running.has(id)).forEach(id => void this._settle(id));
    this._update({ pulls: [...this._known.values()] });
  }

  private async _settle(id: string): Promise<void> {
    if (this._settling.has(id)) {
      return;
    }
    this._settling.add(id);
    try {
      const outcome = await this._api.pull(id);
      if (outcome.done || outcome.error) {
        this._end(outcome);
      }
    } catch (reason) {
      const pull = this._known.get(id);
      if (pull && errorBody(reason).code === 'pull_not_found') {
        this._end({ ...pull, done: null, error: INTERRUPTED });
      }
    } finally {
      this._settling.delete(id);
      this._update({ pulls: [...this._known.values()] });
    }
  }

  private _end(outcome: IOutcome): void {
    this._known.delete(outcome.id);
    const others = this._state.ended.filter(({ model }) => model !== outcome.model);
    this._update({ ended: [outcome, ...others].slice(0, MOST_ENDED) });
    this._announce(outcome.done ? `${outcome.model} is pulled.` : `${outcome.model}: ${outcome.error?.message}`);
  }

  private _update(part: Partial<IPullsState>): void {
    this._state = { ...this._state, ...part };
    this._changed.emit();
  }

  private _asked = 0;
  private _changed = new Signal<this, void>(this);
  /** Those of which it is not known that they have ended, by id. */
  private readonly _known = new Map<string, IPull>();
  private readonly _settling = new Set<string>();
  private _state: IPullsState = {
    open: false,
    looking: false,
    look: null,
    starting: false,
    refusal: null,
    pulls: [],
    cancelling: new Set(),
    ended: []
  };
}

function without(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  return new Set([...ids].filter(other => other !== id));
}
