import { useState } from 'react';

import { copyText } from '../clipboard';
import { CopyButton } from '../copybutton';
import { Section } from '../section';
import { address } from '../snippet';
import type { IModelRow } from '../types';
import { PROGRAMS } from './programs';

export interface IConnectActions {
  open(open: boolean): void;
  /** Opens the section of API keys. */
  keys(): void;
  announce(text: string): void;
}

interface IProps {
  open: boolean;
  models: readonly IModelRow[];
  /** The Jupyter server's address, absolute. */
  baseUrl: string;
  actions: IConnectActions;
}

/** Folded below the models: how other programs ask them. */
export function ConnectSection({ open, models, baseUrl, actions }: IProps) {
  return (
    <Section name="connect" title="Connect a program" open={open} onToggle={actions.open}>
      <div className="jp-uml-Section-body">
        {models.length > 0 ? (
          <Program models={models} baseUrl={baseUrl} announce={actions.announce} />
        ) : (
          <p>No model is here yet. Pull one, and a program that asks it stands here.</p>
        )}
        <Key makeOne={actions.keys} />
        <p>
          <a
            className="jp-uml-Link"
            href={address(baseUrl, 'docs')}
            target="_blank"
            rel="noopener"
            data-uml-action="open-docs"
          >
            API documentation, where all routes can be tried
          </a>
        </p>
      </div>
    </Section>
  );
}

interface IProgramProps {
  models: readonly IModelRow[];
  baseUrl: string;
  announce: (text: string) => void;
}

function Program({ models, baseUrl, announce }: IProgramProps) {
  const [chosen, choose] = useState('');
  const [language, speak] = useState(PROGRAMS[0]!.id);
  const [refused, setRefused] = useState(false);
  const row = models.find(({ id }) => id === chosen) ?? models.find(({ state }) => state === 'loaded') ?? models[0]!;
  const program = PROGRAMS.find(({ id }) => id === language)!;
  const code = program.write(row, baseUrl);
  const copy = async () => {
    const copied = await copyText(code);
    setRefused(!copied);
    announce(copied ? `Copied the program for ${row.id}.` : 'The browser did not allow copying.');
    return copied;
  };
  return (
    <>
      <div className="jp-uml-Form-pair">
        <Choice label="Model" action="choose-model" value={row.id} values={models.map(({ id }) => [id, id])} onChange={choose} />
        <Choice
          label="Program"
          action="choose-program"
          value={program.id}
          values={PROGRAMS.map(({ id, label }) => [id, label])}
          onChange={speak}
        />
      </div>
      <div className="jp-uml-Connect-code">
        <div className="jp-uml-Connect-bar">
          <span>Asks {row.id}</span>
          <CopyButton label={`Copy the program, ${program.label}`} title="Copy the program" copy={copy} />
        </div>
        <pre tabIndex={0} aria-label={`Program for ${row.id}, ${program.label}`} role="region">
          {code}
        </pre>
      </div>
      {refused && (
        <p className="jp-uml-Field-error" role="alert">
          The browser did not allow copying. Select the program and copy it by hand.
        </p>
      )}
    </>
  );
}

interface IChoice {
  label: string;
  action: string;
  value: string;
  /** Each with its text. */
  values: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Choice({ label, action, value, values, onChange }: IChoice) {
  return (
    <label className="jp-uml-Field">
      <span>{label}</span>
      <select value={value} data-uml-action={action} onChange={event => onChange(event.target.value)}>
        {values.map(([id, text]) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Key({ makeOne }: { makeOne: () => void }) {
  return (
    <p className="jp-uml-Row-hint">
      Programs take their key from <code>JUPYTER_UML_KEY</code>. Notebooks and terminals of this server have it set.
      Elsewhere,{' '}
      <button type="button" className="jp-uml-Link" data-uml-action="to-keys" onClick={makeOne}>
        make a key
      </button>{' '}
      and set it there; Jupyter’s own token does as well.
    </p>
  );
}
