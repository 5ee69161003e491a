import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

import type { IListener } from './live';
import type { IStateMessage } from './state';

// A server that knows who asks speaks at once; one that does not waits for the first message.
const SILENCE = 1000;

/** `WS events`. The page's cookie says who asks; where none does, the token does, never as a part of the address. */
export class EventSocket implements IDisposable {
  constructor(settings: ServerConnection.ISettings, listener: IListener) {
    this._socket = new settings.WebSocket(URLExt.join(settings.wsUrl, 'uml', 'events'));
    this._socket.onopen = () => {
      this._timer = setTimeout(() => this._greet(settings.token), SILENCE);
    };
    this._socket.onmessage = event => {
      clearTimeout(this._timer);
      const message = JSON.parse(String(event.data)) as IStateMessage & { error?: unknown };
      if (!message.error) {
        listener.message(message);
      }
    };
    this._socket.onclose = () => {
      clearTimeout(this._timer);
      listener.ended();
    };
  }

  get isDisposed(): boolean {
    return this._socket.onclose === null;
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._socket.onopen = this._socket.onmessage = this._socket.onclose = null;
    this._socket.close();
  }

  private _greet(token: string): void {
    if (token) {
      this._socket.send(JSON.stringify({ type: 'auth', key: token }));
    }
  }

  private readonly _socket: WebSocket;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
