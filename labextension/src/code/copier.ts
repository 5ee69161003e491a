import { checkIcon, closeIcon, copyIcon } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';

import { copyText } from '../clipboard';

/** Code in answers, as the kernel marks them, that has no button yet. */
const BARE = '.uml-cell-answer pre:not(.jp-uml-Code > pre)';
/** Milliseconds without a change: an answer that is being written is made anew ten times a second. */
const QUIET = 300;
const TOLD_FOR = 1500;
const LABEL = 'Copy the code';

/** Gives code in the answers of cells a button that copies it: what cells show can bring none. */
export class CodeCopier implements IDisposable {
  constructor(private readonly _node: HTMLElement) {
    this._observer = new MutationObserver(() => this._soon());
    this._observer.observe(_node, { childList: true, subtree: true });
    this._soon();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._observer.disconnect();
    clearTimeout(this._timer);
  }

  private _soon(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._node.querySelectorAll<HTMLElement>(BARE).forEach(frame), QUIET);
  }

  private readonly _observer: MutationObserver;
  private _isDisposed = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

function frame(code: HTMLElement): void {
  const node = document.createElement('div');
  node.className = 'jp-uml-Code';
  node.dataset.lmSuppressShortcuts = 'true'; // Enter presses the button, and does not go into the cell
  code.replaceWith(node);
  node.append(code, copyButton(code));
}

function copyButton(code: HTMLElement): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.umlAction = 'copy-code';
  button.onclick = async () => {
    // What is seen, and nothing that another program hid in it.
    const copied = await copyText(code.innerText.replace(/\n$/, ''));
    show(button, copied ? checkIcon : closeIcon, copied ? 'Copied' : 'The browser refuses to copy');
    setTimeout(() => show(button, copyIcon, LABEL), TOLD_FOR);
  };
  show(button, copyIcon, LABEL);
  return button;
}

function show(button: HTMLButtonElement, icon: typeof copyIcon, label: string): void {
  icon.element({ container: button, elementSize: 'normal' });
  button.title = label;
  button.setAttribute('aria-label', label);
}
