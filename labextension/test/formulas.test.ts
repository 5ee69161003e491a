import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EVENT, FormulaSetter, type INotebookPanel } from '../src/formulas/setter';

function panel(typeset?: (element: unknown) => void): INotebookPanel {
  const latexTypesetter = typeset ? { typeset } : null;
  return { node: new EventTarget(), content: { rendermime: { latexTypesetter } } } as unknown as INotebookPanel;
}

test('the element that asks is set, until the notebook is closed', () => {
  const set: unknown[] = [];
  const fake = panel(element => set.push(element));
  const setter = new FormulaSetter(fake);
  fake.node.dispatchEvent(new CustomEvent(EVENT));
  setter.dispose();
  fake.node.dispatchEvent(new CustomEvent(EVENT));
  assert.deepEqual(set, [fake.node]);
});

test('a JupyterLab that sets no formulas shows their source', () => {
  const fake = panel();
  new FormulaSetter(fake);
  assert.equal(fake.node.dispatchEvent(new CustomEvent(EVENT)), true);
});
