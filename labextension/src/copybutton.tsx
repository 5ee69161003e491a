import { checkIcon, copyIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';

import { Button } from './button';

const SHOWN_FOR = 2000;

interface IProps {
  /** What a screen reader says. */
  label: string;
  title: string;
  /** Resolves to whether the clipboard took it. */
  copy: () => Promise<boolean>;
}

export function CopyButton({ label, title, copy }: IProps) {
  const [copied, setCopied] = useState(0);
  useEffect(() => {
    const timer = copied ? setTimeout(() => setCopied(0), SHOWN_FOR) : undefined;
    return () => clearTimeout(timer);
  }, [copied]);
  const run = async () => {
    if (await copy()) {
      setCopied(times => times + 1);
    }
  };
  const Icon = copied ? checkIcon : copyIcon;
  return (
    <Button action="copy" tone="icon" label={copied > 0 ? `Copied. ${label}` : label} title={title} onClick={() => void run()}>
      <Icon.react tag="span" elementSize="normal" />
      {copied > 0 && <span className="jp-uml-Copied">Copied</span>}
    </Button>
  );
}
