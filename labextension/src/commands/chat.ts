import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import type { Contents, KernelSpec } from '@jupyterlab/services';

export const CHAT = 'uml:chat';

/** A new notebook whose one cell has to be run by the person: nothing here runs code. Returns its widget. */
export async function newChat(app: JupyterFrontEnd, model: string | undefined, folder = besides(app)) {
  const { contents, kernelspecs } = app.serviceManager;
  await kernelspecs.ready;
  const { path } = await contents.newUntitled({ type: 'notebook', path: folder });
  await contents.save(path, notebook(model, python(kernelspecs.specs)));
  return (await app.commands.execute('docmanager:open', { path })) as unknown;
}

/** The folder of the document in front; else the first one. */
function besides(app: JupyterFrontEnd): string {
  const front = app.shell.currentWidget as { context?: { path?: string } } | null;
  return PathExt.dirname(front?.context?.path ?? '');
}

function notebook(model: string | undefined, spec: KernelSpec.ISpecModel | undefined): Partial<Contents.IModel> {
  const name = model === undefined ? '' : JSON.stringify(model); // JSON's strings are Python's, too
  const source = `# Shift+Enter runs this cell.\nfrom jupyter_uml import ChatPanel\n\nChatPanel(${name})`;
  const cell = { cell_type: 'code', id: 'chat', source, metadata: {}, outputs: [], execution_count: null };
  const kernelspec = spec && { name: spec.name, display_name: spec.display_name, language: spec.language };
  const metadata = kernelspec ? { kernelspec } : {}; // Jupyter asks which kernel, where none is named
  return { type: 'notebook', format: 'json', content: { cells: [cell], metadata, nbformat: 4, nbformat_minor: 5 } };
}

function python(specs: KernelSpec.ISpecModels | null): KernelSpec.ISpecModel | undefined {
  const usual = specs?.kernelspecs[specs.default];
  return [usual, ...Object.values(specs?.kernelspecs ?? {})].find(spec => spec?.language === 'python');
}
