import { PageConfig } from '@jupyterlab/coreutils';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { copyText } from './clipboard';
import { modelsIcon } from './icon';
import type { SidebarModel } from './model';
import { Panel } from './panel';
import { snippet } from './snippet';
import type { IModelRow } from './types';

/** The panel at the left. It asks the server only while somebody can see it. */
export class Sidebar extends ReactWidget {
  constructor(private readonly _model: SidebarModel) {
    super();
    this.id = 'jupyter-uml-sidebar';
    this.addClass('jp-uml-Sidebar');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Models');
    this.title.icon = modelsIcon;
    this.title.caption = 'Models';
  }

  dispose(): void {
    if (!this.isDisposed) {
      document.removeEventListener('visibilitychange', this._look);
      this._model.dispose();
      super.dispose();
    }
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => <Panel state={this._model.state} actions={this._actions} />}
      </UseSignal>
    );
  }

  protected onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    document.addEventListener('visibilitychange', this._look);
    this._look();
  }

  protected onBeforeDetach(msg: Message): void {
    document.removeEventListener('visibilitychange', this._look);
    this._model.active = false;
    super.onBeforeDetach(msg);
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._look();
  }

  protected onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._model.active = false;
  }

  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.node.querySelector<HTMLElement>('button')?.focus();
  }

  private _look = (): void => {
    this._model.active = this.isVisible && !document.hidden;
  };

  private _actions = {
    load: (id: string) => void this._model.load(id),
    unload: (id: string, force: boolean) => void this._model.unload(id, force),
    pin: (id: string, pinned: boolean) => void this._model.pin(id, pinned),
    see: (id: string, seen: boolean) => this._model.see(id, seen),
    dismiss: (id: string) => this._model.dismiss(id),
    refresh: () => this._model.refresh(),
    copy: (row: IModelRow) => this._copy(row)
  };

  private async _copy(row: IModelRow): Promise<boolean> {
    const text = snippet(row, new URL(PageConfig.getBaseUrl(), window.location.href).href);
    const copied = await copyText(text);
    if (copied) {
      this._model.announce(`Copied the code for ${row.id}.`);
    } else {
      const message = 'The browser did not allow copying. Select the code and copy it by hand.';
      this._model.note(row.id, { action: 'copy', error: { message, code: 'clipboard_refused' }, text });
    }
    return copied;
  }
}
