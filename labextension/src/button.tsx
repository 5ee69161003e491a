import type { KeyboardEvent, ReactNode } from 'react';

interface IProps {
  /** For style sheets and tests. */
  action: string;
  /** What a screen reader says where the text alone is not clear. */
  label?: string | undefined;
  title?: string | undefined;
  tone?: 'plain' | 'primary' | 'danger' | 'icon' | undefined;
  /** Cannot be used now; it keeps the keyboard's focus. */
  disabled?: boolean | undefined;
  /** Of a button that stays down. */
  pressed?: boolean | undefined;
  /** Of a button that unfolds something: whether it is unfolded, and its id. */
  expanded?: boolean | undefined;
  controls?: string | undefined;
  onClick?: (() => void) | undefined;
  /** Sends the form that it stands in. */
  submit?: boolean | undefined;
  children: ReactNode;
}

export function Button(props: IProps) {
  const { action, label, title, tone = 'plain', disabled = false, pressed, onClick, submit, children } = props;
  const repeated = (event: KeyboardEvent) => event.repeat && event.preventDefault();
  return (
    <button
      type={submit ? 'submit' : 'button'}
      className="jp-uml-Button"
      data-tone={tone}
      data-uml-action={action}
      aria-label={label}
      aria-disabled={disabled || undefined}
      aria-pressed={pressed}
      aria-expanded={props.expanded}
      aria-controls={props.controls}
      title={title}
      // The button may mean something else after the first click of a double click, or of a key that is held down.
      onKeyDown={repeated}
      onClick={event => (disabled || event.detail > 1 ? event.preventDefault() : onClick?.())}
    >
      {children}
    </button>
  );
}
