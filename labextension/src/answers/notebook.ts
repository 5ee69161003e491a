/** What is done for one open notebook. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

import { follow } from './follower';
import { type Occasion, missing, whole } from './missing';
import type { Seen } from './seen';
import type { IAnswersApi, ICell } from './types';

/** Looks after answers that began in a notebook and went on without it: while its tab was closed, its kernel restarted
 * or the network was away. */
export class AnsweredNotebook implements IDisposable {
  constructor(
    private readonly _api: IAnswersApi,
    private readonly _session: ISessionContext,
    private readonly _cells: () => Iterable<ICell>,
    private readonly _seen: Seen
  ) {
    _session.statusChanged.connect(this._onStatus, this);
    _session.connectionStatusChanged.connect(this._onConnection, this);
    void _session.ready.then(() => this._look('opened'));
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._session.statusChanged.disconnect(this._onStatus, this);
      this._session.connectionStatusChanged.disconnect(this._onConnection, this);
    }
  }

  private _onStatus(_: ISessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting') {
      void this._look('away');
    } else if (status === 'idle') {
      this._seen.add(whole(this._cells()));
    }
  }

  private _onConnection(_: ISessionContext, status: Kernel.ConnectionStatus): void {
    if (status === 'disconnected' || status === 'connecting') {
      this._wasAway = true;
    } else if (status === 'connected' && this._wasAway) {
      this._wasAway = false;
      void this._look('away');
    }
  }

  private async _look(occasion: Occasion): Promise<void> {
    const kernel = this._session.session?.kernel?.id;
    if (kernel === undefined || this._isDisposed) {
      return;
    }
    try {
      const rows = await this._api.generations(kernel);
      const found = this._isDisposed ? [] : missing(this._cells(), rows, occasion, this._seen.ids);
      await Promise.all(found.map(({ cell, generation }) => this._follow(cell, generation.id)));
    } catch {
      // The server is away, or has no such route: the next occasion comes.
    }
  }

  private async _follow(cell: ICell, id: string): Promise<void> {
    if (this._followed.has(id)) {
      return;
    }
    this._followed.add(id);
    try {
      if (await follow(this._api, cell, id, () => this._isDisposed)) {
        this._seen.add([id]);
      }
    } finally {
      this._followed.delete(id);
    }
  }

  private _isDisposed = false;
  private _wasAway = false;
  private _followed = new Set<string>();
}
