import { type ReactNode, useRef } from 'react';

import { useFocusKept } from './focus';

interface IProps {
  /** For style sheets and tests. */
  name: string;
  title: string;
  /** What it holds just now, beside its title; nothing for 0. */
  count?: number;
  open: boolean;
  onToggle: (open: boolean) => void;
  children: ReactNode;
}

/** A part of the sidebar that is folded below the models. */
export function Section({ name, title, count = 0, open, onToggle, children }: IProps) {
  const summary = useRef<HTMLElement>(null);
  const focus = useFocusKept(() => summary.current);
  return (
    <details
      className={`jp-uml-Section jp-uml-${name[0]!.toUpperCase()}${name.slice(1)}`}
      data-uml-section={name}
      open={open}
      onToggle={event => onToggle(event.currentTarget.open)}
      {...focus}
    >
      <summary ref={summary} data-uml-action="fold-section">
        {title}
        {count > 0 && <span className="jp-uml-Count">{count}</span>}
      </summary>
      {children}
    </details>
  );
}
