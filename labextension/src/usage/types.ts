/** A row of `GET usage?by=key,model`: requests of one key to one model. */
export interface IUsageRow {
  key: string;
  name: string;
  /** Empty: of no model that there is. */
  model: string;
  requests: number;
  /** Those of them that were refused or failed. */
  errors: number;
  tokens_in: number;
  tokens_out: number;
  /** Of those that came in: computed before. */
  tokens_cached: number;
  /** Seconds. */
  duration: number;
}

/** Rejects with `ApiError` or `Unreachable`. */
export interface IUsageApi {
  /** `since`: a day in UTC, such as 2026-11-22. */
  usage(since: string): Promise<IUsageRow[]>;
}
