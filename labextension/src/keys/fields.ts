/** The form's fields: from what was typed to a request, and from a refusal back to its field. */
import type { IErrorBody } from '../types';
import type { INewKey, Scope } from './types';

export interface IFields {
  name: string;
  scopes: readonly Scope[];
  models: string;
  expires_in: string;
  requests_per_minute: string;
  tokens_per_minute: string;
}

export type FieldName = keyof IFields;

export const EMPTY: IFields = {
  name: '',
  scopes: ['infer', 'models:read'],
  models: '',
  expires_in: '',
  requests_per_minute: '',
  tokens_per_minute: ''
};

/** What is left empty is not asked for. */
export function keyRequest(fields: IFields): INewKey {
  const models = fields.models.split(/[\s,]+/).filter(Boolean);
  return {
    name: fields.name,
    scopes: fields.scopes,
    ...(models.length > 0 && { models }),
    ...figure('expires_in', fields.expires_in),
    ...figure('requests_per_minute', fields.requests_per_minute),
    ...figure('tokens_per_minute', fields.tokens_per_minute)
  };
}

/** The field that a refusal is about; null: none of the form. */
export function fieldOf(refusal: IErrorBody | null): FieldName | null {
  const name = refusal?.param?.split('.')[0] ?? '';
  return Object.hasOwn(EMPTY, name) ? (name as FieldName) : null;
}

function figure(name: FieldName, text: string): object {
  const typed = text.trim();
  return typed === '' ? {} : { [name]: /^\d+$/.test(typed) ? Number(typed) : typed };
}
