// How a model is to be loaded: texts, of which an empty one leaves the choice to the loader. What changes is told by
// `set(name, text, quiet)`; without `quiet` milliseconds it may change again soon. Needs elements.js and figures.js.

const OPTIONS = [
  ['n_parallel', 'At a time', 'Conversations that run side by side', { min: 1, max: 64 }],
  ['kv_type', 'KV cache', 'How exactly the context is kept; q8_0 takes half of f16', ['f16', 'q8_0', 'q4_0']],
  ['n_threads', 'Threads', 'Processor threads', { min: 1 }],
  ['n_batch', 'Batch', 'Tokens of a prompt that are computed in one go', { min: 1 }],
  ['n_gpu_layers', 'GPU layers', 'Layers that the GPU computes; -1 is all', { min: -1 }],
  ['keep_alive', 'Keep for', 'Unload after so long without use: seconds, or 10m, 2h; -1 is never', null],
];
const KEEP = [['5m', '5 minutes'], ['30m', '30 minutes'], ['2h', '2 hours'], ['24h', '1 day'], ['-1', 'until it is unloaded']];

// Lengths for a slider: sixteen steps from each power of two to the next, as multiples of 256.
function lengthsUpTo(longest) {
  const lengths = new Set();
  for (let step = 0; ; step += 1) {
    const length = Math.ceil(2 ** (8 + step / 16) / 256) * 256;
    if (length >= longest) {
      return [...lengths, longest];
    }
    lengths.add(length);
  }
}

// What a person is just writing is left alone.
function write(control, value) {
  if (control !== control.getRootNode().activeElement) {
    control.value = value;
  }
}

// The length of the context, as a slider and as a number.
class ContextField {
  constructor(parent, id, set) {
    this.lengths = [];
    this.node = element('div', 'uml-context', parent);
    const heading = element('label', 'uml-label', this.node);
    heading.textContent = 'Context';
    heading.title = 'Tokens for each conversation, question and answer together';
    heading.htmlFor = `${id}-context`;
    this.slider = element('input', '', this.node);
    Object.assign(this.slider, { type: 'range', min: 0, ariaLabel: 'Context, as a slider' });
    this.slider.dataset.umlAction = 'slide';
    this.slider.addEventListener('input', () => set('n_ctx', String(this.lengths[this.slider.value])));
    this.number = element('input', 'uml-length', this.node);
    Object.assign(this.number, { type: 'number', min: 1, id: heading.htmlFor });
    this.number.dataset.umlAction = 'context';
    this.number.addEventListener('input', () => set('n_ctx', this.number.value));
    this.number.addEventListener('change', () => set('n_ctx', this.number.value)); // left empty, it shows what is taken
    const title = 'Leave the length to the loader';
    this.auto = button(this.node, { action: 'auto', label: 'Auto', title, press: () => set('n_ctx', '', 0) });
  }

  // In tokens; 0: not known.
  show(nCtx, longest, isAsked) {
    this.node.hidden = !longest;
    if (longest && longest !== this.lengths.at(-1)) {
      this.lengths = lengthsUpTo(longest);
      this.slider.max = this.lengths.length - 1;
      this.number.max = longest;
    }
    const place = this.lengths.findIndex(length => length >= nCtx);
    this.slider.value = place < 0 ? this.lengths.length - 1 : place;
    this.slider.setAttribute('aria-valuetext', `${countText(nCtx)} tokens`);
    write(this.number, nCtx || '');
    this.auto.disabled = !isAsked;
  }
}

// The other settings, folded.
class OptionFields {
  constructor(parent, id, set) {
    const details = element('details', 'uml-options', parent);
    const summary = element('summary', '', details);
    summary.textContent = 'Options';
    summary.dataset.umlAction = 'options';
    const grid = element('div', 'uml-grid', details);
    const times = element('datalist', '', grid);
    times.id = `${id}-times`;
    times.append(...KEEP.map(([value, text]) => new Option(text, value)));
    this.fields = OPTIONS.map(([name, label, hint, kind]) => {
      const control = Array.isArray(kind) ? this.choice(name, kind, set) : this.box(name, kind, set);
      control.dataset.umlAction = 'option';
      if (name === 'keep_alive') {
        control.setAttribute('list', times.id);
      }
      return { name, control, node: field(grid, label, control, hint) };
    });
  }

  choice(name, kinds, set) {
    const control = document.createElement('select');
    setOptions(control, [['', 'auto'], ...kinds.map(each => [each, each])]);
    control.addEventListener('change', () => set(name, control.value, 0));
    return control;
  }

  box(name, bounds, set) {
    const control = document.createElement('input');
    Object.assign(control, bounds ? { type: 'number', ...bounds } : { type: 'text' });
    control.addEventListener('input', () => set(name, control.value));
    return control;
  }

  // `chosen`: what the loader would take; `gpu`: bytes there.
  show(options, { chosen = {}, gpu = 0 }) {
    for (const { name, control, node } of this.fields) {
      write(control, options[name] ?? '');
      control.placeholder = chosen[name] ? `auto (${chosen[name]})` : 'auto';
      node.hidden = name === 'n_gpu_layers' && !gpu && !options[name];
    }
  }
}
