import { Dialog, showDialog } from '@jupyterlab/apputils';

import type { IModelRow } from '../types';
import { ModelChoice } from './choice';

export interface IChoice {
  /** Its first word is what the button says. */
  title: string;
  /** What is said where there is none to pick. */
  none: string;
  test: (row: IModelRow) => boolean;
}

/** The model of this id, or the one that the person picks. Where that cannot be, a dialog says why. */
export async function chosen(
  { title, none, test }: IChoice,
  all: readonly IModelRow[],
  id: string | undefined
): Promise<IModelRow | undefined> {
  const rows = all.filter(test);
  if (id !== undefined) {
    return rows.find(row => row.id === id) ?? told(title, unfit(id, all));
  }
  if (rows.length === 0) {
    return told(title, none);
  }
  const { button, value } = await showDialog({
    title,
    body: new ModelChoice(rows.map(row => row.id)),
    focusNodeSelector: 'select',
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: title.split(' ')[0]! })]
  });
  return button.accept ? rows.find(row => row.id === value) : undefined;
}

/** Why nothing is done. */
export async function told(title: string, body: string): Promise<undefined> {
  await showDialog({ title, body, buttons: [Dialog.okButton()] });
}

function unfit(id: string, rows: readonly IModelRow[]): string {
  const row = rows.find(row => row.id === id);
  return row ? (row.reason ?? `${id} is ${row.state}.`) : `No model is called ${id}.`;
}

/** Whether the person wants it. */
export async function agreed(title: string, body: string, accept: string): Promise<boolean> {
  const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: accept })];
  const { button } = await showDialog({ title, body, buttons, defaultButton: 0 });
  return button.accept;
}
