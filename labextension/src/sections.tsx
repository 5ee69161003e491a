import { UseSignal } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import type { ReactElement } from 'react';

import type { KeysModel } from './keys/model';
import { confirmRevoke } from './keys/revoke';
import { type IKeysActions, KeySection } from './keys/section';
import type { IKeyRow } from './keys/types';
import type { LiveStore } from './live';
import { PullsModel } from './pull/model';
import { type IPullActions, PullSection } from './pull/section';
import type { IPullApi } from './pull/types';
import { confirmStop } from './running/confirm';
import { RunningModel } from './running/model';
import { type IRunningActions, RunningSection } from './running/section';
import type { IRunningApi } from './running/types';
import { ConnectSection, type IConnectActions } from './snippets/section';
import { UsageModel } from './usage/model';
import { type IUsageActions, UsageSection } from './usage/section';
import type { IUsageApi } from './usage/types';

export type SectionName = 'running' | 'pull' | 'usage' | 'keys' | 'connect';

/** What stands folded below the models. */
export class Sections {
  /** `baseUrl`: the Jupyter server's, absolute. */
  constructor(
    api: IPullApi & IRunningApi & IUsageApi,
    private readonly _live: LiveStore,
    private readonly _keys: KeysModel,
    private readonly _announce: (text: string) => void,
    private readonly _baseUrl: string
  ) {
    this.pulls = new PullsModel(api, _live, _announce);
    this.running = new RunningModel(api, _live, _announce);
    this.usage = new UsageModel(api);
  }

  readonly pulls: PullsModel;
  readonly running: RunningModel;
  readonly usage: UsageModel;

  /** Whether somebody looks at the sidebar. */
  set active(value: boolean) {
    this._keys.active = value;
    this.usage.active = value;
  }

  /** Those that a person wants to see at once, when the page opens. */
  unfold(names: Partial<Record<SectionName, boolean>>): void {
    const parts = { running: this.running, pull: this.pulls, usage: this.usage, keys: this._keys };
    Object.entries(parts)
      .filter(([name]) => names[name as SectionName])
      .forEach(([, part]) => (part.open = true));
    if (names.connect) {
      this._connectActions.open(true);
    }
  }

  refresh(): void {
    this._keys.refresh();
    this.usage.refresh();
  }

  dispose(): void {
    this.pulls.dispose();
    this.running.dispose();
    this.usage.dispose();
    this._keys.dispose();
    Signal.clearData(this);
  }

  render(): ReactElement {
    return (
      <>
        <UseSignal signal={this.running.changed}>
          {() => <RunningSection state={this.running.state} actions={this._runningActions} />}
        </UseSignal>
        <UseSignal signal={this.pulls.changed}>
          {() => <PullSection state={this.pulls.state} actions={this._pullActions} />}
        </UseSignal>
        <UseSignal signal={this.usage.changed}>
          {() => <UsageSection state={this.usage.state} actions={this._usageActions} />}
        </UseSignal>
        <UseSignal signal={this._keys.changed}>
          {() => <KeySection state={this._keys.state} actions={this._keyActions} />}
        </UseSignal>
        <UseSignal signal={this._connectToggled}>
          {() => <UseSignal signal={this._live.changed}>{() => this._renderConnect()}</UseSignal>}
        </UseSignal>
      </>
    );
  }

  private _renderConnect(): ReactElement {
    const models = (this._live.state.models ?? []).filter(row => row.reason === null);
    const actions = this._connectActions;
    return <ConnectSection open={this._connectOpen} models={models} baseUrl={this._baseUrl} actions={actions} />;
  }

  private readonly _runningActions: IRunningActions = {
    open: open => (this.running.open = open),
    stop: id => void this.running.stop(id),
    stopAll: () => void this._stopAll(),
    dismiss: id => this.running.dismiss(id)
  };

  private readonly _pullActions: IPullActions = {
    open: open => (this.pulls.open = open),
    look: model => this.pulls.look(model),
    forget: () => this.pulls.forget(),
    start: model => this.pulls.start(model),
    again: outcome => void this.pulls.again(outcome),
    cancel: id => void this.pulls.cancel(id),
    dismiss: id => this.pulls.dismiss(id)
  };

  private readonly _usageActions: IUsageActions = {
    open: open => (this.usage.open = open),
    choose: days => (this.usage.days = days)
  };

  private readonly _keyActions: IKeysActions = {
    open: open => (this._keys.open = open),
    create: key => this._keys.create(key),
    revoke: row => void this._revoke(row),
    forget: () => this._keys.forget(),
    dismiss: id => this._keys.dismiss(id)
  };

  private readonly _connectActions: IConnectActions = {
    open: open => {
      this._connectOpen = open;
      this._connectToggled.emit();
    },
    announce: text => this._announce(text),
    keys: () => show('keys')
  };

  /** Those of others not without a question. */
  private async _stopAll(): Promise<void> {
    const { running } = this._live.state;
    if (running.every(({ own }) => own) || (await confirmStop(running))) {
      await this.running.stopAll();
    }
  }

  private async _revoke(row: IKeyRow): Promise<void> {
    if (await confirmRevoke(row)) {
      await this._keys.revoke(row.id);
    }
  }

  private _connectOpen = false;
  private _connectToggled = new Signal<this, void>(this);
}

/** Open a section, and bring the keyboard to what is first in it. */
export function show(name: SectionName): void {
  const section = document.querySelector<HTMLDetailsElement>(`.jp-uml-Sidebar [data-uml-section=${name}]`);
  if (section) {
    section.open = true;
    const first = name === 'pull' ? section.querySelector('input') : section.querySelector('summary');
    first?.focus();
    section.scrollIntoView({ block: 'nearest' });
  }
}
