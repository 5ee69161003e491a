/** What the commands have in common. */
import type { JupyterFrontEnd } from '@jupyterlab/application';

import type { LiveStore } from '../live';
import type { ModelActions } from '../models/actions';
import type { ModelsStore } from '../models/store';
import type { Sections } from '../sections';

export interface IParts {
  app: JupyterFrontEnd;
  live: LiveStore;
  models: ModelsStore;
  actions: ModelActions;
  sections: Sections;
  /** Brings the sidebar to the front. */
  open: () => void;
  /** The Jupyter server's, absolute. */
  baseUrl: string;
}

/** Such as a keyboard shortcut gives. */
export interface IArgs {
  /** Id of a model, or name of what is to be pulled; the person is asked without one. */
  model?: string;
  /** false: without a question. */
  confirm?: boolean;
  /** Folder of a new file. */
  folder?: string;
}

export interface ICommand {
  id: string;
  label: string;
  caption: string;
  /** The arguments that it knows. */
  args?: readonly (keyof IArgs)[];
  /** Where there is nothing to do it says so: a command that were disabled meanwhile is not in the palette. */
  run: (args: IArgs) => unknown;
}
