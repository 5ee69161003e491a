/** Where somebody writes: what the model is told of it, and whether a suggestion would be welcome there. */
import type { ICell, IEditor, IPlace } from './types';

const SUFFIX_SHARE = 4; // at most this part of the characters is what follows the cursor
const STEPS = 4; // parts of the characters, of which whole ones are left out: the server then has the rest computed
// CodeMirror's names, where models know others.
const NAMES: Readonly<Record<string, string>> = {
  'c++src': 'cpp',
  csrc: 'c',
  ipython: 'python',
  ipythongfm: 'markdown',
  plain: '',
  rsrc: 'r'
};
const HASH_COMMENTS = new Set(['python', 'r', 'julia', 'ruby', 'sh', 'perl']);
// Only what closes something, or separates, may stand behind a suggestion that nobody asked for.
const CLOSING = /^[\s)\]}'"`,:;]*$/;
const PROMPT_CELL = /^\s*%%uml\b/;
const HALF_PAIRS = /\p{Cs}/gu; // of a character that was cut in two, which no server takes

/** JupyterLab counts characters, which may be two units of a JavaScript text. */
export function placeOf(request: { text: string; offset: number; mimeType?: string }): IPlace {
  const { text, mimeType = '' } = request;
  let offset = 0;
  for (let count = 0; count < request.offset; count++) {
    offset += text.codePointAt(offset)! > 0xffff ? 2 : 1;
  }
  return { text, offset, mimeType };
}

/** Whether a suggestion would be in the way of who types there and did not ask for one. */
export function isUnwelcome({ text, offset }: IPlace): boolean {
  const rest = text.slice(offset).split('\n', 1)[0]!;
  return !CLOSING.test(rest) || PROMPT_CELL.test(text);
}

/** Whether the cursor is still there, no list of completions is open and the editor has the focus. */
export function isCurrent(place: IPlace, editor: IEditor): boolean {
  const { host, model } = editor;
  return (
    editor.hasFocus() &&
    !host.classList.contains('jp-mod-completer-active') &&
    model.sharedModel.getSource() === place.text &&
    editor.getOffsetAt(editor.getCursorPosition()) === place.offset
  );
}

export function languageOf(mimeType: string): string {
  const name = mimeType.split(';')[0]!.split('/').pop()!.replace(/^(x-)+/, '');
  return NAMES[name] ?? (/^[\w.+#-]{1,40}$/.test(name) ? name : '');
}

/** What stands before and after the cursor, `most` characters together; before the cell are those above it. */
export function surroundings(place: IPlace, above: string, most: number): { prefix: string; suffix: string } {
  const suffix = place.text.slice(place.offset, place.offset + Math.floor(most / SUFFIX_SHARE));
  const prefix = lastOf(above + place.text.slice(0, place.offset), most - suffix.length);
  return { prefix: prefix.replace(HALF_PAIRS, ''), suffix: suffix.replace(HALF_PAIRS, '') };
}

/** The cells above the one with this text model, as a program has them: Markdown is comments. */
export function above(cells: Iterable<ICell>, model: unknown, language: string, most: number): string {
  const texts: string[] = [];
  for (const cell of cells) {
    if (cell.sharedModel === model) {
      return lastOf(texts.map(text => `${text}\n\n`).join(''), most);
    }
    const text = cell.sharedModel.getSource();
    if (cell.type === 'code' && !PROMPT_CELL.test(text)) {
      texts.push(text);
    } else if (cell.type === 'markdown' && HASH_COMMENTS.has(language)) {
      texts.push(text.replace(/^/gm, '# '));
    }
  }
  return ''; // the cell is in none of them
}

/** The end of a text, from the beginning of a line. The beginning stays where it is while the text grows by little. */
function lastOf(text: string, most: number): string {
  if (text.length <= most) {
    return text;
  }
  const step = Math.max(1, Math.floor(most / STEPS));
  const start = Math.min(text.length, Math.ceil((text.length - most) / step) * step);
  const line = text.indexOf('\n', start) + 1;
  return text.slice(line > 0 ? line : start);
}
