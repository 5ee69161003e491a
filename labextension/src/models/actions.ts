import { Dialog, showDialog } from '@jupyterlab/apputils';

import { copyText } from '../clipboard';
import { plural } from '../format';
import type { Settings } from '../settings';
import { snippet } from '../snippet';
import type { ILoadOptions, IModelRow } from '../types';
import type { IRowActions } from './row';
import type { ModelsStore } from './store';

/** What a person asks for, in the sidebar or by a command; some of it only after a question. */
export class ModelActions implements IRowActions {
  /** `baseUrl`: the Jupyter server's, absolute. */
  constructor(
    private readonly _models: ModelsStore,
    private readonly _settings: Settings,
    private readonly _baseUrl: string
  ) {}

  readonly load = (id: string): void => void this._models.load(id);

  readonly reload = async (id: string): Promise<void> => {
    if (!this._models.mustUnload(id) || (await this._mayUnload(id))) {
      await this._models.reload(id);
    }
  };

  /** One that answers is not unloaded without a question; by force it is, for then there was one. */
  readonly unload = async (id: string, force: boolean): Promise<void> => {
    if (force || (await this._mayUnload(id))) {
      await this._models.unload(id, force);
    }
  };

  readonly pin = (id: string, pinned: boolean): void => void this._models.pin(id, pinned);
  readonly choose = (id: string, options: ILoadOptions): void => this._models.choose(id, options);
  readonly see = (id: string, seen: boolean): void => this._models.see(id, seen);
  readonly plan = (id: string, longest: number): void => this._models.plan(id, longest);
  readonly watch = (id: string, seen: boolean): void => this._models.watch(id, seen);
  readonly dismiss = (id: string): void => this._models.dismiss(id);

  readonly copy = async (row: IModelRow): Promise<boolean> => {
    const text = snippet(row, this._baseUrl);
    const copied = await copyText(text);
    if (copied) {
      this._models.announce(`Copied the code for ${row.id}.`);
    } else {
      const message = 'The browser did not allow copying. Select the code and copy it by hand.';
      this._models.note(row.id, { action: 'copy', error: { message, code: 'clipboard_refused' }, text });
    }
    return copied;
  };

  private async _mayUnload(id: string): Promise<boolean> {
    const active = this._models.state.models?.find(row => row.id === id && row.state === 'loaded')?.active ?? 0;
    if (active === 0 || !this._settings.current.confirmUnload) {
      return true;
    }
    const { button } = await showDialog({
      title: `Unload ${id}?`,
      body: `${plural(active, 'answer')} under way. The model waits up to 30 s for the end, then cuts off what is left.`,
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Unload' })],
      defaultButton: 0
    });
    return button.accept;
  }
}
