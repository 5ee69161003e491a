import type { ReactNode } from 'react';

import type { FieldName } from './fields';

interface IProps {
  name: FieldName;
  label: string;
  hint?: string;
  /** What the server says is wrong with it. */
  error: string | undefined;
  value: string;
  onChange: (value: string) => void;
}

/** A line of text with its name, what may stand there, and what is wrong with it. */
export function Field({ name, label, hint, error, value, onChange }: IProps) {
  return (
    <div className="jp-uml-Field">
      <label htmlFor={elementId(name)}>{label}</label>
      <input
        id={elementId(name)}
        name={name}
        type="text"
        data-uml-action="key-field"
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={event => onChange(event.target.value)}
        {...describedBy(name, error, hint)}
      />
      <FieldNotes name={name} hint={hint} error={error} />
    </div>
  );
}

interface INotes {
  name: FieldName;
  hint?: string | undefined;
  error: string | undefined;
}

export function FieldNotes({ name, hint, error }: INotes): ReactNode {
  return (
    <>
      {hint && (
        <div id={`${elementId(name)}-hint`} className="jp-uml-Row-hint">
          {hint}
        </div>
      )}
      {error && (
        <div id={`${elementId(name)}-error`} className="jp-uml-Field-error" role="alert">
          {error}
        </div>
      )}
    </>
  );
}

/** Ties a control to the notes below it. */
export function describedBy(name: FieldName, error: string | undefined, hint?: string) {
  const ids = [error && `${elementId(name)}-error`, hint && `${elementId(name)}-hint`].filter(Boolean);
  return { 'aria-invalid': error ? true : undefined, 'aria-describedby': ids.join(' ') || undefined };
}

function elementId(name: FieldName): string {
  return `jp-uml-key-${name}`;
}
