import type { IFound, IPull } from '../state';
import type { IErrorBody } from '../types';

/** What a pull would bring: the answer of a dry run. `model`: the name under which it is pulled. */
export interface ILook extends IFound {
  model: string;
}

/** How a pull ended; both are null while it runs. */
export interface IOutcome extends IPull {
  /** `model`: its id in the list of models; null where the server does not look into the folder that it is in. */
  done: { model: string | null; size_bytes: number } | null;
  error: IErrorBody | null;
}

/** Each call rejects with `ApiError` or `Unreachable`. */
export interface IPullApi {
  look(model: string): Promise<ILook>;
  startPull(model: string): Promise<IPull>;
  pull(id: string): Promise<IOutcome>;
  /** What has come is kept. */
  cancelPull(id: string): Promise<IPull>;
}
