import { UseSignal } from '@jupyterlab/ui-components';

import { modelsIcon } from '../icon';
import type { LiveStore } from '../live';
import { LiveWidget } from '../livewidget';
import { statusText, statusTitle } from './text';

/** In the status bar: the model and its speed. A click opens the sidebar. */
export class StatusItem extends LiveWidget {
  constructor(
    private readonly _live: LiveStore,
    private readonly _open: () => void
  ) {
    super(_live);
    this.addClass('jp-uml-Status');
  }

  protected render(): JSX.Element {
    return <UseSignal signal={this._live.changed}>{() => this._button()}</UseSignal>;
  }

  private _button(): JSX.Element {
    const [text, figures] = statusText(this._live.state);
    return (
      <button
        type="button"
        data-uml-action="show-models"
        title={statusTitle(this._live.state)}
        aria-label={`${text}${figures}. Show the models`}
        onClick={this._open}
      >
        <modelsIcon.react tag="span" elementSize="normal" />
        <span className="jp-uml-Status-text">{text}</span>
        {figures && <span>{figures}</span>}
      </button>
    );
  }
}
