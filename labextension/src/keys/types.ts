/** Keys as the server's routes tell of them. Times in seconds since 1970. */

export const SCOPES = ['infer', 'models:read', 'models:admin', 'keys:admin'] as const;

export type Scope = (typeof SCOPES)[number];
export type KeyState = 'active' | 'expired' | 'revoked';

/** null: not limited, or as the server's default says. */
export interface ILimits {
  requests_per_minute: number | null;
  requests_per_hour: number | null;
  /** Requests in one second. */
  burst: number | null;
  tokens_per_minute: number | null;
  /** Requests that are answered at the same time. */
  max_concurrent: number | null;
}

/** A row of `GET keys`. */
export interface IKeyRow extends ILimits {
  id: string;
  name: string;
  state: KeyState;
  scopes: readonly string[];
  /** Ids or patterns; null: all. */
  models: readonly string[] | null;
  created: number;
  expires_at: number | null;
  revoked_at: number | null;
  last_used: number | null;
  /** Known to this server only, and gone with it. */
  ephemeral: boolean;
}

/** The answer of `POST keys`. */
export interface ICreatedKey extends IKeyRow {
  /** The secret: here and nowhere else. */
  key: string;
}

/** The body of `POST keys`. What is no number is sent as it was typed: the server says in words what is wrong. */
export interface INewKey {
  name: string;
  scopes: readonly Scope[];
  models?: readonly string[];
  expires_in?: number | string;
  requests_per_minute?: number | string;
  tokens_per_minute?: number | string;
}

/** Each call rejects with `ApiError` or `Unreachable`. */
export interface IKeysApi {
  keys(): Promise<IKeyRow[]>;
  createKey(key: INewKey): Promise<ICreatedKey>;
  /** Returns the revoked key. */
  revokeKey(id: string): Promise<IKeyRow>;
}
