import { Dialog, showDialog } from '@jupyterlab/apputils';

import { revocation } from './texts';
import type { IKeyRow } from './types';

/** Whether the reader wants this key to be revoked, who is told what comes of it. */
export async function confirmRevoke(row: IKeyRow): Promise<boolean> {
  const { button } = await showDialog({
    title: `Revoke the key ${row.name}?`,
    body: revocation(row),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Revoke' })],
    defaultButton: 0
  });
  return button.accept;
}
