import { UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { modelsIcon } from './icon';
import type { LiveStore } from './live';
import { LiveWidget } from './livewidget';
import type { IRowActions } from './models/row';
import type { ModelsStore } from './models/store';
import { Panel } from './panel';
import type { Sections } from './sections';
import type { Settings } from './settings';

/** The panel at the left. */
export class Sidebar extends LiveWidget {
  constructor(
    private readonly _models: ModelsStore,
    live: LiveStore,
    actions: IRowActions,
    private readonly _sections: Sections,
    private readonly _settings: Settings
  ) {
    super(live, seen => (_sections.active = seen));
    this._actions = {
      ...actions,
      refresh: () => {
        live.refresh();
        _sections.refresh();
      }
    };
    this.id = 'jupyter-uml-sidebar';
    this.addClass('jp-uml-Sidebar');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Models');
    this.title.icon = modelsIcon;
    this.title.caption = 'Models';
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._sections.dispose();
      this._models.dispose();
      super.dispose();
    }
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._settings.changed}>
        {() => (
          <UseSignal signal={this._models.changed}>
            {() => (
              <Panel state={this._models.state} span={60 * this._settings.current.plotSpan} actions={this._actions}>
                {this._sections.render()}
              </Panel>
            )}
          </UseSignal>
        )}
      </UseSignal>
    );
  }

  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.node.querySelector<HTMLElement>('button')?.focus();
  }

  private readonly _actions: IRowActions & { refresh(): void };
}
