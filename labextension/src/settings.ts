import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ISignal, Signal } from '@lumino/signaling';

import type { SectionName } from './sections';

export interface ISettings {
  statusBar: boolean;
  /** Minutes. */
  plotSpan: number;
  confirmUnload: boolean;
  /** Which are unfolded when the page opens. */
  openSections: Partial<Record<SectionName, boolean>>;
}

/** As `schema/sidebar.json` has them. */
const USUAL: ISettings = { statusBar: true, plotSpan: 5, confirmUnload: true, openSections: {} };

/** The sidebar's settings: the usual ones until they are read, and where there are none. */
export class Settings {
  get current(): ISettings {
    return this._current;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Read them now and whenever they change. */
  follow(settings: Pick<ISettingRegistry.ISettings, 'composite' | 'changed'>): void {
    const read = () => {
      this._current = { ...USUAL, ...(settings.composite as Partial<ISettings>) };
      this._changed.emit();
    };
    settings.changed.connect(read);
    read();
  }

  private _changed = new Signal<this, void>(this);
  private _current = USUAL;
}
