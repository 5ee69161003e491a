// What the widgets' pages are made of. Texts go in by textContent, so none of them can be markup.

const SEEN_INTERVAL = 15_000; // milliseconds, in which a page says that it is still looked at
const LATEST = 100; // milliseconds, after which a change is shown also without a frame

// Paths of 16 by 16 units, drawn as lines.
const ICONS = {
  send: 'M8 13V3.5M3.5 8 8 3.5 12.5 8',
  stop: 'M4.5 4.5h7v7h-7z',
  refresh: 'M13 3.5v3.2H9.8M12.7 6.5A5 5 0 1 0 13 9',
  pin: 'M6 2.5h4l-.5 4 2 2v1h-7v-1l2-2zM8 9.5v4.5',
  copy: 'M6 6V3.5h6.5V10H10M3.5 6H10v6.5H3.5z',
  check: 'M3.5 8.5 6.5 11.5 12.5 4.5',
  edit: 'M3.5 12.5v-2.3l6.7-6.7 2.3 2.3-6.7 6.7z',
  attach: 'M12 7.5 7.6 12a2.6 2.6 0 0 1-3.7-3.7l5-5a1.7 1.7 0 0 1 2.4 2.4l-4.9 5',
  settings: 'M2.5 5h6M11.5 5h2M8.5 3.5v3h3v-3zM2.5 11h2M7.5 11h6M4.5 9.5v3h3v-3z',
  export: 'M8 9.5v-7M5.5 5 8 2.5 10.5 5M3.5 8.5v5h9v-5',
  close: 'M4 4l8 8M12 4l-8 8',
};

function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) {
    node.className = className;
  }
  parent?.append(node);
  return node;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  path.setAttribute('class', `uml-icon-${name}`);
  svg.append(path);
  return svg;
}

// A button by its verb. With an icon, `label` is what it is called; without, what it shows.
function button(parent, { action, label, press, icon: name, title = name ? label : '', className = '' }) {
  const node = element('button', `uml-button ${className}`.trim(), parent);
  node.type = 'button';
  node.dataset.umlAction = action;
  node.title = title;
  if (name) {
    node.classList.add('uml-has-icon');
    node.setAttribute('aria-label', label);
    node.append(icon(name));
  } else {
    node.textContent = label;
  }
  node.addEventListener('click', press);
  return node;
}

// A label above a control.
function field(parent, label, control, hint = '') {
  const node = element('label', 'uml-field', parent);
  element('span', 'uml-label', node).textContent = label;
  node.append(control);
  node.title = hint;
  control.title = hint;
  return node;
}

// A choice of [value, text] pairs; the one that is chosen stays so while it is there.
function setOptions(select, pairs) {
  const wanted = JSON.stringify(pairs);
  if (select.umlPairs === wanted) {
    return;
  }
  const chosen = select.value;
  select.umlPairs = wanted;
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  if (pairs.some(([value]) => String(value) === chosen)) {
    select.value = chosen;
  }
}

// Keys pressed in here are no commands of the notebook, to which `d d` means to delete the cell. Escape, which leaves
// for the notebook, and those with Ctrl, Alt or Command still are.
function keepKeys(root) {
  root.dataset.lmSuppressShortcuts = 'true';
  root.addEventListener('keydown', event => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && event.key !== 'Escape') {
      event.stopPropagation();
    }
  });
}

// Returns a function that has `work` done with the next frame, once for all that changes until then. A page that another
// window covers may get one frame a second: it does not wait for that.
function withTheNextFrame(work) {
  let frame;
  let timer;
  const cancel = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    timer = undefined;
  };
  const run = () => {
    cancel();
    work();
  };
  const soon = () => {
    if (timer === undefined) {
      frame = requestAnimationFrame(run);
      timer = setTimeout(run, LATEST);
    }
  };
  return Object.assign(soon, { cancel });
}

// Calls `show` when a trait changes. Returns what ends that.
function watch(model, traits, show) {
  const events = traits.map(trait => `change:${trait}`).join(' ');
  model.on(events, show);
  return () => model.off(events, show);
}

// Sends what a person does to the kernel, which bumps the trait `heard`. One that says nothing within a moment is busy
// or gone, and `tell` is told so; with '' when it speaks again.
class Messenger {
  constructor(model, tell) {
    this.model = model;
    this.tell = tell;
    this.stop = watch(model, ['heard'], () => this.noticed());
  }

  send(action, fields = {}, buffers = []) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.tell(
      'The kernel does not answer. If it is busy with a cell, this is done afterwards; if it was restarted, run this cell again.'
    ), 1500);
    try {
      this.model.send({ action, ...fields }, undefined, buffers);
    } catch {
      this.noticed(); // there is no connection any more, and no point in waiting
      this.tell('The kernel is gone. Run this cell again.');
    }
  }

  // What the person knows nothing of, and has not to be told of when the kernel is gone.
  whisper(content) {
    try {
      this.model.send(content);
    } catch {
      clearTimeout(this.silence);
    }
  }

  noticed() {
    clearTimeout(this.silence);
    this.tell('');
  }

  remove() {
    clearTimeout(this.silence);
    this.stop();
  }
}

// Tells whether a person can see a node now: on the screen, in a tab that is in front. Returns what ends that.
function whileSeen(node, tell) {
  let isNear = false;
  let told;
  const look = () => {
    const seen = isNear && document.visibilityState === 'visible';
    if (seen !== told) {
      told = seen;
      tell(seen);
    }
  };
  const observer = new IntersectionObserver(entries => {
    isNear = entries.at(-1).isIntersecting;
    look();
  }, { rootMargin: '200px' });
  observer.observe(node);
  document.addEventListener('visibilitychange', look);
  return () => {
    observer.disconnect();
    document.removeEventListener('visibilitychange', look);
  };
}

// The kernel is told whether a view is seen, and again and again while it is: a page that was killed says nothing any
// more. Returns what ends that.
function sayWhileSeen(node, view, messenger) {
  let saying;
  const tell = seen => {
    clearInterval(saying);
    const say = () => messenger.whisper({ view, seen });
    say();
    if (seen) {
      saying = setInterval(say, SEEN_INTERVAL);
    }
  };
  const stop = whileSeen(node, tell);
  return () => {
    stop();
    tell(false);
  };
}
