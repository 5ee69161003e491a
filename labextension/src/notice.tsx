import { closeIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';

import { Button } from './button';
import { errorTitle } from './errors';
import type { IErrorBody } from './types';

interface IProps {
  error: IErrorBody;
  /** The model, where the notice does not stand in its row. */
  about?: string;
  text?: string | undefined;
  onDismiss?: () => void;
  children?: ReactNode;
}

/** An error in readable form; screen readers speak its message when it appears. */
export function Notice({ error, about, text, onDismiss, children }: IProps) {
  return (
    <div className="jp-uml-Notice">
      <div className="jp-uml-Notice-head">
        <div role="alert">
          <strong>{about ? `${about}: ${errorTitle(error)}` : errorTitle(error)}</strong>
          <div className="jp-uml-Notice-message">{error.message}</div>
        </div>
        {onDismiss && (
          <Button action="dismiss" tone="icon" label="Dismiss this message" title="Dismiss" onClick={onDismiss}>
            <closeIcon.react tag="span" elementSize="normal" />
          </Button>
        )}
      </div>
      {text && (
        <pre className="jp-uml-Notice-text" tabIndex={0}>
          {text}
        </pre>
      )}
      {children}
    </div>
  );
}
