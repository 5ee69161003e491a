/** Rejects with `ApiError` or `Unreachable`. */
export interface IRunningApi {
  stopRunning(id: string): Promise<unknown>;
}
