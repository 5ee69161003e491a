import { closeIcon } from '@jupyterlab/ui-components';
import { useEffect, useRef, useState } from 'react';

import { Button } from '../button';
import { copyText } from '../clipboard';
import { CopyButton } from '../copybutton';
import type { ISecret } from './model';

const NOTE = 'jp-uml-secret-note';

/** The secret of a key that was just made: ready to be copied, and gone when it is dismissed. */
export function Secret({ made, onDismiss }: { made: ISecret; onDismiss: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [refused, setRefused] = useState(false);
  useEffect(() => field.current?.focus(), []); // which selects it, too
  const copy = async () => {
    const copied = await copyText(made.secret);
    setRefused(!copied);
    if (!copied) {
      field.current?.select();
    }
    return copied;
  };
  return (
    <div className="jp-uml-Secret" role="group" aria-label={`The new key ${made.name}`}>
      <div className="jp-uml-Notice-head">
        <strong>{made.name}</strong>
        <Button action="forget-secret" tone="icon" label="Hide the secret for good" title="Hide" onClick={onDismiss}>
          <closeIcon.react tag="span" elementSize="normal" />
        </Button>
      </div>
      <div className="jp-uml-Secret-line">
        <input
          ref={field}
          type="text"
          readOnly
          data-uml-action="secret"
          value={made.secret}
          aria-label={`Secret of ${made.name}`}
          aria-describedby={NOTE}
          onFocus={event => event.target.select()}
        />
        <CopyButton label={`Copy the secret of ${made.name}`} title="Copy the secret" copy={copy} />
      </div>
      <p id={NOTE} className="jp-uml-Row-hint">
        It is shown this once. Copy it now: the server keeps only a fingerprint of it.
      </p>
      {refused && (
        <p className="jp-uml-Field-error" role="alert">
          The browser did not allow copying. The secret is selected: copy it by hand.
        </p>
      )}
    </div>
  );
}
