/** The only file that fetches; `socket.ts` listens. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

import type { IAnswerOutput, IAnswersApi, IGenerationRow } from './answers/types';
import { ApiError, Unreachable } from './errors';
import { parts } from './inline/events';
import type { IInlineApi, IInlinePart, IInlineQuestion } from './inline/types';
import type { ICreatedKey, IKeyRow, IKeysApi, INewKey } from './keys/types';
import type { IListener, ILiveApi } from './live';
import type { ILook, IOutcome, IPullApi } from './pull/types';
import type { IRunningApi } from './running/types';
import { EventSocket } from './socket';
import type { IPull, IRunning, ISample } from './state';
import type { IApi, IErrorBody, IEstimate, IHealth, ILoadOptions, IModelRow } from './types';
import type { IUsageApi, IUsageRow } from './usage/types';

const READ_TIMEOUT = 10_000;
// An unload waits up to 30 s for running answers, then the process has to end.
const ACTION_TIMEOUT = 60_000;
// What a proxy says when the server behind it is away.
const GATEWAY = new Set([502, 503, 504]);
// Such as a proxy gives once a session is over: the page on which to sign in.
const FOREIGN = 'Something else answered in place of the server, perhaps a page to sign in. Reload this page.';

/** The server's routes. `ServerConnection` adds the base URL, the token and the XSRF header. */
export class ServerApi implements IApi, ILiveApi, IKeysApi, IAnswersApi, IPullApi, IRunningApi, IUsageApi, IInlineApi {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  events(listener: IListener): IDisposable {
    return new EventSocket(this._settings, listener);
  }

  async models(): Promise<IModelRow[]> {
    const body = await this._get<{ models: IModelRow[] }>('models');
    return body.models;
  }

  health(): Promise<IHealth> {
    return this._get<IHealth>('health');
  }

  estimate(id: string, options: ILoadOptions = {}): Promise<IEstimate> {
    return this._post<IEstimate>('estimate', { model: id, ...options });
  }

  load(id: string, options: ILoadOptions = {}, pin?: boolean): Promise<IModelRow> {
    return this._post<IModelRow>('load_model', { model: id, ...options, wait: false, pin });
  }

  async history(id: string): Promise<ISample[]> {
    const name = id.split('/').map(encodeURIComponent).join('/');
    const body = await this._get<{ samples: ISample[] }>(`models/${name}/history`);
    return body.samples;
  }

  unload(id: string, force: boolean): Promise<IModelRow> {
    return this._post<IModelRow>('unload_model', { model: id, force });
  }

  async keys(): Promise<IKeyRow[]> {
    const body = await this._get<{ keys: IKeyRow[] }>('keys');
    return body.keys;
  }

  createKey(key: INewKey): Promise<ICreatedKey> {
    return this._post<ICreatedKey>('keys', key);
  }

  revokeKey(id: string): Promise<IKeyRow> {
    const init = { method: 'DELETE', signal: AbortSignal.timeout(ACTION_TIMEOUT) };
    return this._request<IKeyRow>(`keys/${encodeURIComponent(id)}`, init);
  }

  async generations(kernel: string): Promise<IGenerationRow[]> {
    const query = new URLSearchParams({ kernel });
    const body = await this._get<{ generations: IGenerationRow[] }>(`generations?${query}`);
    return body.generations;
  }

  answer(id: string): Promise<IAnswerOutput> {
    return this._get<IAnswerOutput>(`generations/${encodeURIComponent(id)}/output`);
  }

  // --- pulls and running answers ---

  async pulls(): Promise<IPull[]> {
    const body = await this._get<{ pulls: IPull[] }>('pull');
    return body.pulls;
  }

  look(model: string): Promise<ILook> {
    return this._post<ILook>('pull', { model, dry_run: true });
  }

  pull(id: string): Promise<IOutcome> {
    return this._get<IOutcome>(`pull/${encodeURIComponent(id)}`);
  }

  cancelPull(id: string): Promise<IPull> {
    const init = { method: 'DELETE', signal: AbortSignal.timeout(ACTION_TIMEOUT) };
    return this._request<IPull>(`pull/${encodeURIComponent(id)}`, init);
  }

  startPull(model: string): Promise<IPull> {
    return this._post<IPull>('pull', { model, wait: false });
  }

  async running(): Promise<IRunning[]> {
    const body = await this._get<{ running: IRunning[] }>('running');
    return body.running;
  }

  stopRunning(id: string): Promise<unknown> {
    const init = { method: 'DELETE', signal: AbortSignal.timeout(ACTION_TIMEOUT) };
    return this._request(`running/${encodeURIComponent(id)}`, init);
  }

  // --- suggestions ---

  async *inlineCompletion(question: IInlineQuestion, signal: AbortSignal): AsyncGenerator<IInlinePart> {
    const url = URLExt.join(this._settings.baseUrl, 'uml', 'inline_completion');
    const body = JSON.stringify({ ...question, stream: true });
    const init: RequestInit = { method: 'POST', body, cache: 'no-cache', signal };
    const response = await ServerConnection.makeRequest(url, init, this._settings).catch(() => {
      signal.throwIfAborted();
      throw new Unreachable();
    });
    if (!response.ok || response.body === null) {
      throw refusal(response.status, parse(await response.text()));
    }
    yield* parts(response.body);
  }

  // --- usage ---

  async usage(since: string): Promise<IUsageRow[]> {
    const body = await this._get<{ usage: IUsageRow[] }>(`usage?${new URLSearchParams({ by: 'key,model', since })}`);
    return body.usage;
  }

  // --- inside ---

  private _get<T>(route: string): Promise<T> {
    // Not 'no-store', for which JupyterLab adds a number to the query that no route knows.
    return this._request<T>(route, { cache: 'no-cache', signal: AbortSignal.timeout(READ_TIMEOUT) });
  }

  private _post<T>(route: string, body: object): Promise<T> {
    const init = { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(ACTION_TIMEOUT) };
    return this._request<T>(route, init);
  }

  private async _request<T>(route: string, init: RequestInit): Promise<T> {
    const url = URLExt.join(this._settings.baseUrl, 'uml', route);
    let response: Response;
    let text: string;
    try {
      response = await ServerConnection.makeRequest(url, init, this._settings);
      text = await response.text();
    } catch {
      throw new Unreachable();
    }
    const body = parse(text);
    if (response.ok && body !== undefined) {
      return body as T;
    }
    throw refusal(response.status, body);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(status: number, body: unknown): Error {
  const error = (body as { error?: IErrorBody } | null | undefined)?.error;
  if (typeof error?.message === 'string') {
    return new ApiError(status, error);
  }
  if (GATEWAY.has(status)) {
    return new Unreachable();
  }
  if (status < 300) {
    return new ApiError(status, { message: FOREIGN, code: 'foreign_answer' });
  }
  return new ApiError(status, { message: `The server answered with HTTP status ${status}.`, code: `http_${status}` });
}
