import { ApiError, Unreachable } from './errors';

/** Why the whole list cannot be read, and what helps. */
export interface IProblem {
  title: string;
  message: string;
}

export function problemOf(reason: unknown): IProblem {
  if (reason instanceof Unreachable) {
    return {
      title: 'Not connected',
      message: 'The Jupyter server does not answer. The list shows what was last known. This panel tries again by itself.'
    };
  }
  if (!(reason instanceof ApiError)) {
    return { title: 'Something is wrong', message: String(reason) };
  }
  if (reason.status === 404) {
    return {
      title: 'The server part is not running',
      message: 'Enable it with “jupyter server extension enable jupyter_uml”, then restart the Jupyter server.'
    };
  }
  if (reason.status === 401 || reason.status === 403) {
    return { title: 'Not signed in', message: 'The server no longer knows this page. Reload it and sign in again.' };
  }
  return { title: 'The server reports an error', message: reason.message };
}
