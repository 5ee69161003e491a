import { useEffect, useId, useState } from 'react';

import { count } from '../format';

interface IProps {
  /** For style sheets and tests. */
  action: string;
  label: string;
  /** What a screen reader adds to the label. */
  about: string;
  /** undefined: left to the server. */
  value: number | undefined;
  /** What the server would choose. */
  usual: string;
  min: number;
  max: number;
  choose: (value: number | undefined) => void;
}

/** A whole number that may be left open. What cannot be meant is marked, and not taken over. */
export function NumberField({ action, label, about, value, usual, min, max, choose }: IProps) {
  const id = useId();
  const [text, setText] = useState(shown(value));
  // Changed from outside: by the slider, or a reset.
  useEffect(() => setText(text => (meant(text) === value ? text : shown(value))), [value]);
  const isSound = (number: number | undefined) => number === undefined || (number >= min && number <= max);
  const take = (text: string) => {
    setText(text);
    if (text.trim() === '' || (meant(text) !== undefined && isSound(meant(text)))) {
      choose(meant(text));
    }
  };
  const hint = `${id}-hint`;
  const isWrong = text.trim() !== '' && (meant(text) === undefined || !isSound(meant(text)));
  return (
    <div className="jp-uml-Option">
      <label htmlFor={id}>
        {label}
        <span className="jp-uml-SrOnly"> {about}</span>
      </label>
      <input
        id={id}
        data-uml-action={action}
        type="text"
        inputMode="numeric"
        autoComplete="off"
        placeholder={usual}
        value={text}
        aria-invalid={isWrong || undefined}
        aria-describedby={isWrong ? hint : undefined}
        onChange={event => take(event.currentTarget.value)}
      />
      {isWrong && (
        <span id={hint} className="jp-uml-Option-error" role="alert">
          A whole number from {count(min)} to {count(max)}
        </span>
      )}
    </div>
  );
}

function shown(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

function meant(text: string): number | undefined {
  const plain = text.replace(/[\s,_]/g, '');
  return /^-?\d+$/.test(plain) ? Number(plain) : undefined;
}
