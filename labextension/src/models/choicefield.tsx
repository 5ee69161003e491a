import { useId } from 'react';

interface IProps {
  action: string;
  label: string;
  /** What a screen reader adds to the label. */
  about: string;
  /** Empty: left to the server. */
  value: string;
  choices: readonly (readonly [value: string, text: string])[];
  choose: (value: string) => void;
}

export function ChoiceField({ action, label, about, value, choices, choose }: IProps) {
  const id = useId();
  return (
    <div className="jp-uml-Option">
      <label htmlFor={id}>
        {label}
        <span className="jp-uml-SrOnly"> {about}</span>
      </label>
      <select id={id} data-uml-action={action} value={value} onChange={event => choose(event.currentTarget.value)}>
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
