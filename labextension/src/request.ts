/** The only file that fetches. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IAnswerOutput, IAnswersApi, IGenerationRow } from './answers/types';
import { ApiError, Unreachable } from './errors';
import type { ICreatedKey, IKeyRow, IKeysApi, INewKey } from './keys/types';
import type { IApi, IErrorBody, IEstimate, IHealth, IModelRow } from './types';

const READ_TIMEOUT = 10_000;
// An unload waits up to 30 s for running answers, then the process has to end.
const ACTION_TIMEOUT = 60_000;
// What a proxy says when the server behind it is away.
const GATEWAY = new Set([502, 503, 504]);

/** The server's routes. `ServerConnection` adds the base URL, the token and the XSRF header. */
export class ServerApi implements IApi, IKeysApi, IAnswersApi {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  async models(): Promise<IModelRow[]> {
    const body = await this._get<{ models: IModelRow[] }>('models');
    return body.models;
  }

  health(): Promise<IHealth> {
    return this._get<IHealth>('health');
  }

  estimate(id: string): Promise<IEstimate> {
    return this._post<IEstimate>('estimate', { model: id });
  }

  load(id: string, pin?: boolean): Promise<IModelRow> {
    return this._post<IModelRow>('load_model', { model: id, wait: false, pin });
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
  return new ApiError(status, { message: `The server answered with HTTP status ${status}.`, code: `http_${status}` });
}
