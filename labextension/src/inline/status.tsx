import { TextItem } from '@jupyterlab/statusbar';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';

import type { InlineProvider } from './provider';

const READY = 'suggests code while you type. Tab accepts.';

/** A few quiet words in the status bar. `isActive`: suggestions are switched on. */
export class InlineStatus extends ReactWidget {
  constructor(private readonly _provider: InlineProvider) {
    super();
    this.addClass('jp-uml-InlineStatus');
  }

  get isActive(): boolean {
    return this._isActive;
  }

  set isActive(value: boolean) {
    this._isActive = value;
    this._activeChanged.emit();
  }

  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  protected render() {
    return (
      <UseSignal signal={this._provider.statusChanged}>
        {() => {
          const { asking, model, problem } = this._provider.status;
          const words = problem !== null ? 'none' : asking ? '…' : 'on';
          return <TextItem title={problem ?? `${model || 'The loaded model'} ${READY}`} source={`Suggestions: ${words}`} />;
        }}
      </UseSignal>
    );
  }

  private _activeChanged = new Signal<this, void>(this);
  private _isActive = false;
}
