import { Dialog, showDialog } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { copyText } from './clipboard';
import { modelsIcon } from './icon';
import type { KeysModel } from './keys/model';
import { type IKeysActions, KeySection } from './keys/section';
import type { IKeyRow } from './keys/types';
import type { SidebarModel } from './model';
import { Panel } from './panel';
import { snippet } from './snippet';
import type { IModelRow } from './types';

/** The panel at the left. It asks the server only while somebody can see it. */
export class Sidebar extends ReactWidget {
  constructor(
    private readonly _model: SidebarModel,
    private readonly _keys: KeysModel
  ) {
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
      this._keys.dispose();
      super.dispose();
    }
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => (
          <Panel state={this._model.state} actions={this._actions}>
            <UseSignal signal={this._keys.changed}>
              {() => <KeySection state={this._keys.state} actions={this._keyActions} />}
            </UseSignal>
          </Panel>
        )}
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
    this._seen(false);
    super.onBeforeDetach(msg);
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._look();
  }

  protected onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._seen(false);
  }

  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.node.querySelector<HTMLElement>('button')?.focus();
  }

  private _look = (): void => {
    this._seen(this.isVisible && !document.hidden);
  };

  private _seen(seen: boolean): void {
    this._model.active = seen;
    this._keys.active = seen;
  }

  private _actions = {
    load: (id: string) => void this._model.load(id),
    unload: (id: string, force: boolean) => void this._model.unload(id, force),
    pin: (id: string, pinned: boolean) => void this._model.pin(id, pinned),
    see: (id: string, seen: boolean) => this._model.see(id, seen),
    dismiss: (id: string) => this._model.dismiss(id),
    refresh: () => {
      this._model.refresh();
      this._keys.refresh();
    },
    copy: (row: IModelRow) => this._copy(row)
  };

  private _keyActions: IKeysActions = {
    open: open => (this._keys.open = open),
    create: key => this._keys.create(key),
    revoke: row => this._revoke(row),
    forget: () => this._keys.forget(),
    dismiss: id => this._keys.dismiss(id)
  };

  private async _revoke(row: IKeyRow): Promise<void> {
    const { button } = await showDialog({
      title: `Revoke the key ${row.name}?`,
      body: 'Programs that use it are refused from then on. This cannot be undone.',
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Revoke' })],
      defaultButton: 0
    });
    if (button.accept) {
      await this._keys.revoke(row.id);
    }
  }

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
