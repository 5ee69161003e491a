import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { Attention } from './attention';
import type { LiveStore } from './live';

/** A widget that listens to the server only while somebody can see it. */
export abstract class LiveWidget extends ReactWidget {
  /** `tell`: whether it is seen now. */
  constructor(live: LiveStore, tell?: (seen: boolean) => void) {
    super();
    this._attention = new Attention(live, tell);
  }

  dispose(): void {
    this._attention.dispose();
    super.dispose();
  }

  protected onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._attention.shown = this.isVisible;
  }

  protected onBeforeDetach(msg: Message): void {
    this._attention.shown = false;
    super.onBeforeDetach(msg);
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._attention.shown = true;
  }

  protected onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._attention.shown = false;
  }

  private readonly _attention: Attention;
}
