import type { IErrorBody } from './types';

/** The server answered, and refused. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: IErrorBody
  ) {
    super(body.message);
    this.name = 'ApiError';
  }
}

/** No answer came: the server is down, the network is, or a proxy answers in its place. */
export class Unreachable extends Error {
  constructor(message = 'The Jupyter server does not answer.') {
    super(message);
    this.name = 'Unreachable';
  }
}

/** Any rejection in the form in which a row shows it. */
export function errorBody(reason: unknown): IErrorBody {
  if (reason instanceof ApiError) {
    return reason.body;
  }
  const code = reason instanceof Unreachable ? 'connection_failed' : 'internal_error';
  return { message: reason instanceof Error ? reason.message : String(reason), code };
}

const TITLES: Readonly<Record<string, string>> = {
  clipboard_refused: 'Not copied',
  connection_failed: 'No connection',
  download_failed: 'The download failed',
  hub_access_denied: 'Not open to everybody',
  hub_unavailable: 'The hub cannot be asked',
  insufficient_disk: 'Not enough disk',
  insufficient_memory: 'Not enough memory',
  model_busy: 'The model is busy',
  model_load_failed: 'The model cannot be loaded',
  model_not_found: 'The model is gone',
  nothing_to_pull: 'Nothing to pull',
  overloaded: 'Too much is waiting',
  model_restarting: 'The model is restarting',
  permission_denied: 'Not allowed',
  pull_cancelled: 'Cancelled',
  pull_interrupted: 'Interrupted',
  repository_not_found: 'No such repository',
  worker_died: 'The model’s process ended'
};

/** A few words that head the error's message. */
export function errorTitle(body: IErrorBody): string {
  const code = body.code ?? '';
  return Object.hasOwn(TITLES, code) ? TITLES[code]! : 'This did not work';
}
