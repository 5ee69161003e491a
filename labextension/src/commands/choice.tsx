import type { Dialog } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';

/** The body of a dialog in which one of some models is chosen. */
export class ModelChoice extends ReactWidget implements Dialog.IBodyWidget<string> {
  constructor(private readonly _ids: readonly string[]) {
    super();
    this._chosen = _ids[0] ?? '';
  }

  getValue(): string {
    return this._chosen;
  }

  protected render(): JSX.Element {
    return (
      <label className="jp-uml-Choice">
        Model
        <select
          data-uml-action="choose-model"
          autoFocus
          defaultValue={this._chosen}
          onChange={event => (this._chosen = event.currentTarget.value)}
        >
          {this._ids.map(id => (
            <option key={id}>{id}</option>
          ))}
        </select>
      </label>
    );
  }

  private _chosen: string;
}
