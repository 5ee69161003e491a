import { type FormEvent, useEffect, useRef, useState } from 'react';

import { Button } from '../button';
import { Notice } from '../notice';
import type { IErrorBody } from '../types';
import { describedBy, Field, FieldNotes } from './field';
import { EMPTY, type FieldName, fieldOf, type IFields, keyRequest } from './fields';
import { SCOPE_WORDS } from './texts';
import { type INewKey, type Scope, SCOPES } from './types';

interface IProps {
  refusal: IErrorBody | null;
  busy: boolean;
  /** Resolves to whether the key was made. */
  create: (key: INewKey) => Promise<boolean>;
}

/** Asks for a new key. What is right the server alone decides. */
export function KeyForm({ refusal, busy, create }: IProps) {
  const [fields, setFields] = useState(EMPTY);
  const faulty = fieldOf(refusal);
  const form = useFocusOn(faulty, refusal);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (await create(keyRequest(fields))) {
      setFields(EMPTY);
    }
  };
  const text = (name: Exclude<FieldName, 'scopes'>) => ({
    name,
    error: faulty === name ? refusal?.message : undefined,
    value: fields[name],
    onChange: (value: string) => setFields(before => ({ ...before, [name]: value }))
  });
  return (
    <form ref={form} className="jp-uml-Form" aria-label="New key" noValidate onSubmit={event => void send(event)}>
      <Field label="Name" {...text('name')} />
      <Scopes
        chosen={fields.scopes}
        error={faulty === 'scopes' ? refusal?.message : undefined}
        onChange={scopes => setFields({ ...fields, scopes })}
      />
      <Field label="Models" hint="Ids, or patterns with * and ?; empty: all" {...text('models')} />
      <Field label="Expires in" hint="Such as 12h or 30d; empty: never" {...text('expires_in')} />
      <div className="jp-uml-Form-pair">
        <Field label="Requests per minute" {...text('requests_per_minute')} />
        <Field label="Tokens per minute" {...text('tokens_per_minute')} />
      </div>
      {refusal && !faulty && <Notice error={refusal} />}
      <Button action="create-key" tone="primary" label={busy ? undefined : 'Create the key'} disabled={busy} submit>
        {busy ? 'Creating…' : 'Create'}
      </Button>
    </form>
  );
}

interface IScopes {
  chosen: IFields['scopes'];
  error: string | undefined;
  onChange: (scopes: Scope[]) => void;
}

function Scopes({ chosen, error, onChange }: IScopes) {
  const toggle = (scope: Scope) => onChange(SCOPES.filter(other => chosen.includes(other) !== (other === scope)));
  return (
    <fieldset className="jp-uml-Field" name="scopes" {...describedBy('scopes', error)}>
      <legend>Scopes</legend>
      {SCOPES.map(scope => (
        <label key={scope} className="jp-uml-Scope">
          <input
            type="checkbox"
            value={scope}
            checked={chosen.includes(scope)}
            data-uml-action="key-scope"
            onChange={() => toggle(scope)}
          />
          <span>
            <code>{scope}</code> {SCOPE_WORDS[scope]}
          </span>
        </label>
      ))}
      <FieldNotes name="scopes" error={error} />
    </fieldset>
  );
}

/** Brings the keyboard to the field that was refused. */
function useFocusOn(faulty: FieldName | null, refusal: IErrorBody | null) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (faulty) {
      form.current?.querySelector<HTMLElement>(`input[name=${faulty}], [name=${faulty}] input`)?.focus();
    }
  }, [faulty, refusal]);
  return form;
}
