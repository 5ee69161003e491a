import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError, Unreachable } from '../src/errors';
import { parts } from '../src/inline/events';
import { above, isUnwelcome, languageOf, placeOf, surroundings } from '../src/inline/place';
import { InlineProvider } from '../src/inline/provider';
import type { IEditor, IInlineApi, IInlineContext, IInlinePart, IInlineQuestion } from '../src/inline/types';

const SETTINGS = { enabled: true, model: '', maxTokens: 64, context: 6000, earlierCells: true };
const AUTOMATIC = 1;
const INVOKED = 0;

class FakeSignal<T> {
  slots = new Set<(sender: unknown, args: T) => void>();
  connect = (slot: (sender: unknown, args: T) => void) => this.slots.size < this.slots.add(slot).size;
  disconnect = (slot: (sender: unknown, args: T) => void) => this.slots.delete(slot);
  emit = (args: T) => [...this.slots].forEach(slot => slot(this, args));
}

/** An editor with the cursor at the mark `|`. */
class FakeEditor implements IEditor<number> {
  readonly changed = new FakeSignal<{ sourceChange?: unknown }>();
  readonly disposed = new FakeSignal<void>();
  readonly listeners = new EventTarget();
  focused = true;
  popup = false;
  text: string;
  offset: number;

  constructor(marked: string) {
    this.offset = marked.indexOf('|');
    this.text = marked.replace('|', '');
  }

  get host(): HTMLElement {
    return Object.assign(this.listeners, { classList: { contains: () => this.popup } }) as unknown as HTMLElement;
  }

  readonly model = { sharedModel: { getSource: () => this.text, changed: this.changed } };
  hasFocus = () => this.focused;
  getCursorPosition = () => this.offset;
  getOffsetAt = (position: number) => position;

  context(triggerKind = AUTOMATIC): IInlineContext {
    return { triggerKind, editor: this as IEditor, widget: { disposed: this.disposed } };
  }

  request() {
    return { text: this.text, offset: this.offset, mimeType: 'text/x-ipython' };
  }

  get isLeft(): boolean {
    return this.changed.slots.size === 0 && this.disposed.slots.size === 0;
  }
}

/** A server that says one piece at a time, when the test tells it to. */
class FakeApi implements IInlineApi {
  asked: IInlineQuestion[] = [];
  signals: AbortSignal[] = [];
  private _give: ((part: IInlinePart | Error | null) => void) | null = null;

  async *inlineCompletion(question: IInlineQuestion, signal: AbortSignal): AsyncGenerator<IInlinePart> {
    this.asked.push(question);
    this.signals.push(signal);
    for (;;) {
      const part = await new Promise<IInlinePart | Error | null>((resolve, reject) => {
        this._give = resolve;
        signal.addEventListener('abort', () => reject(signal.reason));
      });
      if (part === null) {
        return;
      }
      if (part instanceof Error) {
        throw part;
      }
      yield part;
    }
  }

  /** Text, or the end, or an error; on return it has been read. */
  async say(part: string | IInlinePart | Error | null): Promise<void> {
    this._give!(typeof part === 'string' ? { text: part } : part);
    await settled();
  }
}

const settled = () => new Promise<void>(resolve => setImmediate(resolve));

function made(marked: string, settings = SETTINGS) {
  const api = new FakeApi();
  return { api, editor: new FakeEditor(marked), provider: new InlineProvider(api, () => settings, {} as never) };
}

async function rest(provider: InlineProvider, token: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { response } of provider.stream(token)) {
    texts.push(response.insertText);
  }
  return texts;
}

test('nothing is asked unless it is switched on', async () => {
  const { api, editor, provider } = made('x = |', { ...SETTINGS, enabled: false });
  assert.deepEqual(await provider.fetch(editor.request(), editor.context()), { items: [] });
  assert.deepEqual(await provider.fetch(editor.request(), editor.context(INVOKED)), { items: [] });
  assert.equal(api.asked.length, 0);
});

test('the first piece is shown at once, and the rest as it comes', async () => {
  const { api, editor, provider } = made('x = |\ny = 1');
  const fetched = provider.fetch(editor.request(), editor.context());
  await api.say('f');
  const item = (await fetched).items[0]!;
  assert.deepEqual({ ...item, token: '' }, { insertText: 'f', isIncomplete: true, token: '' });
  const streamed = rest(provider, item.token!);
  await api.say('(1)');
  await api.say(null);
  assert.deepEqual(await streamed, ['f(1)', 'f(1)']);
  const { prefix, suffix, language, model, max_tokens } = api.asked[0]!;
  assert.deepEqual([prefix, suffix, language, model, max_tokens], ['x = ', '\ny = 1', 'python', '', 64]);
  assert.ok(editor.isLeft);
});

test('a suggestion that is typed is not asked for again', async () => {
  const { api, editor, provider } = made('x = |');
  const fetched = provider.fetch(editor.request(), editor.context());
  await api.say('f(1)');
  await Promise.all([rest(provider, (await fetched).items[0]!.token!), settled().then(() => api.say(null))]);
  Object.assign(editor, { text: 'x = f(', offset: 6 });
  assert.deepEqual(await provider.fetch(editor.request(), editor.context()), { items: [{ insertText: '1)' }] });
  assert.equal(api.asked.length, 1);
  Object.assign(editor, { text: 'x = g', offset: 5 });
  void provider.fetch(editor.request(), editor.context());
  assert.equal(api.asked.length, 2);
  provider.interrupt();
});

test('whoever asks, or has changed the settings, gets no old suggestion', async () => {
  const { api, editor, provider } = made('x = |');
  const fetched = provider.fetch(editor.request(), editor.context());
  await api.say('f(1)');
  await Promise.all([rest(provider, (await fetched).items[0]!.token!), settled().then(() => api.say(null))]);
  void provider.fetch(editor.request(), editor.context(INVOKED));
  assert.equal(api.asked.length, 2);
  provider.forget();
  void provider.fetch(editor.request(), editor.context());
  assert.equal(api.asked.length, 3);
  provider.interrupt();
});

const MOVES: Record<string, (editor: FakeEditor, provider: InlineProvider) => void> = {
  'a key': (_, provider) => provider.interrupt(),
  blur: editor => editor.listeners.dispatchEvent(new Event('focusout')),
  'a change': editor => editor.changed.emit({ sourceChange: [] }),
  'a closed tab': editor => editor.disposed.emit(),
  'a newer request': (editor, provider) => void provider.fetch(editor.request(), editor.context())
};

for (const [name, move] of Object.entries(MOVES)) {
  test(`${name} stops the model, before its first word and after`, async () => {
    for (const begun of [false, true]) {
      const { api, editor, provider } = made('x = |');
      const fetched = provider.fetch(editor.request(), editor.context());
      const streamed = begun
        ? api.say('f').then(async () => rest(provider, (await fetched).items[0]!.token!))
        : Promise.resolve([]);
      await settled();
      move(editor, provider);
      assert.ok(api.signals[0]!.aborted);
      if (!begun) {
        assert.deepEqual(await fetched, { items: [] });
      }
      assert.deepEqual(await streamed, []);
      provider.interrupt();
      await settled();
      assert.ok(editor.isLeft);
      assert.deepEqual(provider.status, { asking: false, model: '', problem: null });
    }
  });
}

test('what is no change of the text stops nothing', async () => {
  const { api, editor, provider } = made('x = |');
  const fetched = provider.fetch(editor.request(), editor.context());
  editor.changed.emit({});
  await api.say('f');
  assert.equal((await fetched).items.length, 1);
  provider.interrupt();
});

test('who moved on in the pause is asked nothing', async () => {
  const moved: ((editor: FakeEditor, provider: InlineProvider) => void)[] = [
    editor => (editor.focused = false),
    editor => (editor.popup = true),
    editor => (editor.offset = 0),
    editor => (editor.text += 'y'),
    (_, provider) => provider.interrupt(true)
  ];
  for (const move of moved) {
    const { api, editor, provider } = made('x = |');
    const request = editor.request();
    move(editor, provider);
    assert.deepEqual(await provider.fetch(request, editor.context()), { items: [] });
    assert.equal(api.asked.length, 0);
  }
});

test('a failure is told quietly, and forgotten with the next request', async () => {
  const { api, editor, provider } = made('x = |');
  const fetched = provider.fetch(editor.request(), editor.context());
  await api.say(new ApiError(409, { message: 'No model is loaded.', code: 'no_model_loaded' }));
  assert.deepEqual(await fetched, { items: [] });
  assert.deepEqual(provider.status, { asking: false, model: '', problem: 'No model is loaded.' });
  void provider.fetch(editor.request(), editor.context());
  assert.deepEqual(provider.status, { asking: true, model: '', problem: null });
  provider.interrupt();
});

test('which model suggested is known until another one is to', async () => {
  const { api, editor, provider } = made('x = |');
  const fetched = provider.fetch(editor.request(), editor.context());
  await api.say({ text: '1', model: 'demo' });
  const read = rest(provider, (await fetched).items[0]!.token!);
  await settled();
  await api.say(null);
  await read;
  assert.equal(provider.status.model, 'demo');
  provider.forget();
  assert.equal(provider.status.model, '');
});

test('an answer without text, or of blanks, is no suggestion', async () => {
  const { api, editor, provider } = made('x = |');
  const fetched = provider.fetch(editor.request(), editor.context());
  await api.say('');
  await api.say(' \n');
  await api.say(null);
  assert.deepEqual(await fetched, { items: [] });
});

test('nobody waits for longer than JupyterLab does', async () => {
  const { api, editor, provider } = made('x = |');
  provider.configure({ timeout: 10 });
  assert.deepEqual(await provider.fetch(editor.request(), editor.context()), { items: [] });
  assert.ok(api.signals[0]!.aborted);
});

test('suggestions are welcome where a line goes on or is closed, not in a word or before others', () => {
  const at = (marked: string) => isUnwelcome({ text: marked.replace('|', ''), offset: marked.indexOf('|'), mimeType: '' });
  for (const welcome of ['x = |', 'pri|', 'f(|)', 'f("|")', 'x = [|],', 'if x|:', 'f(|)\nrest', '|']) {
    assert.equal(at(welcome), false, welcome);
  }
  for (const unwelcome of ['pri|nt', '|x', 'x = | + 1', 'f(|a)', '%%uml\nTell me|']) {
    assert.equal(at(unwelcome), true, unwelcome);
  }
});

test('offsets count characters, of which some are two units', () => {
  assert.equal(placeOf({ text: '🙂🙂x', offset: 2 }).offset, 4);
  assert.equal(placeOf({ text: 'äöx', offset: 2 }).offset, 2);
});

test('languages have the names that models know', () => {
  const names = ['text/x-ipython', 'text/x-python', 'text/x-rsrc', 'application/json', 'text/plain', 'text/x-c++src', ''];
  assert.deepEqual(names.map(languageOf), ['python', 'python', 'r', 'json', '', 'cpp', '']);
});

test('the cells above are read, Markdown as comments, and not those below', () => {
  const cell = (type: string, source: string) => ({ type, sharedModel: { getSource: () => source } });
  const here = cell('code', 'here');
  const cells = [cell('markdown', '# Title\ntext'), cell('code', 'a = 1'), cell('code', '%%uml\nHi'), here, cell('code', 'z')];
  assert.equal(above(cells, here.sharedModel, 'python', 1000), '# # Title\n# text\n\na = 1\n\n');
  assert.equal(above(cells, here.sharedModel, 'sql', 1000), 'a = 1\n\n');
  assert.equal(above(cells, {}, 'python', 1000), '');
});

test('far from the cursor is left out, from the beginning of a line, and the same for many keys', () => {
  const lines = Array.from({ length: 500 }, (_, n) => `line ${n}\n`).join('');
  const at = (typed: string) => {
    const text = lines + typed + lines;
    return surroundings({ text, offset: lines.length + typed.length, mimeType: '' }, 'above\n', 1000);
  };
  const starts = new Set(Array.from('while True: pass', (_, n) => at('while True: pass'.slice(0, n)).prefix.slice(0, 50)));
  assert.ok(starts.size <= 2);
  const { prefix, suffix } = at('x = ');
  assert.match(prefix, /^line \d+\nline/);
  assert.ok(prefix.endsWith('line 499\nx = '));
  assert.ok(prefix.length + suffix.length <= 1000 && prefix.length > 500);
  assert.ok(suffix.startsWith('line 0\n'));
});

test('no character is cut in two', () => {
  for (const most of [1000, 1001, 1004]) {
    const text = `${'🙂'.repeat(2000)}x${'🙂'.repeat(2000)}`;
    const { prefix, suffix } = surroundings({ text, offset: 4001, mimeType: '' }, '', most);
    assert.ok(prefix.length > 500 && suffix.length > 200);
    assert.doesNotMatch(prefix + suffix, /\p{Cs}/u);
  }
});

const body = (...chunks: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      chunks.forEach(chunk => controller.enqueue(new TextEncoder().encode(chunk)));
      controller.close();
    }
  });

async function read(...chunks: string[]): Promise<string[]> {
  const texts: string[] = [];
  for await (const part of parts(body(...chunks))) {
    texts.push(part.text);
  }
  return texts;
}

test('events are read however they are cut', async () => {
  const stream = 'data: {"text":"ä"}\n\n: still there\n\ndata: {"text":"b\\n\\n"}\n\ndata: [DONE]\n\n';
  assert.deepEqual(await read(stream), ['ä', 'b\n\n']);
  assert.deepEqual(await read(...stream), ['ä', 'b\n\n']);
});

test('an answer that breaks off, or fails, is none', async () => {
  await assert.rejects(read('data: {"text":"a"}\n\n'), Unreachable);
  await assert.rejects(read('event: error\ndata: {"error":{"message":"no","code":"x"}}\n\n'), ApiError);
});
