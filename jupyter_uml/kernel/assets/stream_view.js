// The page's side of StreamView: shows the synced state, sends what the person does. HTML comes sanitised.

const ICONS = {
  send: 'M8 13V3.5M3.5 8 8 3.5 12.5 8',
  stop: 'M4.5 4.5h7v7h-7z',
};

function element(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
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

// Replaces only the blocks that changed, so that a selection in the finished part of an answer survives.
function patch(target, html) {
  const fresh = document.createElement('template');
  fresh.innerHTML = html;
  const next = [...fresh.content.childNodes];
  let same = 0;
  while (same < next.length && target.childNodes[same]?.isEqualNode(next[same])) {
    same += 1;
  }
  while (target.childNodes.length > same) {
    target.lastChild.remove();
  }
  target.append(...next.slice(same));
}

function bubble(turn) {
  const row = element('div', `uml-turn uml-${turn.kind}`);
  const body = element('div', 'uml-body', row);
  if (turn.kind === 'answer') {
    patch(body, turn.html);
  } else {
    body.textContent = turn.text;
  }
  if (turn.note) {
    element('div', 'uml-note', row).textContent = turn.note;
  }
  return row;
}

class ChatView {
  constructor(model, root) {
    this.model = model;
    this.pending = '';
    root.classList.add('uml-chat');
    root.dataset.lmSuppressShortcuts = 'true'; // keys typed here are no commands of JupyterLab
    this.build(root);
    this.listen();
    this.showTurns();
    this.showLive();
    this.showBusy();
    this.showHeading();
  }

  build(root) {
    const header = element('div', 'uml-header', root);
    this.heading = element('span', 'uml-heading', header);
    this.clear = element('button', 'uml-clear', header);
    this.clear.textContent = 'Clear';
    this.clear.title = 'Forget this conversation';
    this.log = element('div', 'uml-log', root);
    this.log.setAttribute('role', 'log');
    this.log.setAttribute('aria-live', 'polite');
    this.log.tabIndex = 0;
    this.empty = element('div', 'uml-empty', this.log);
    this.list = element('div', 'uml-list', this.log);
    this.live = element('div', 'uml-turn uml-answer uml-live', this.log);
    this.liveBody = element('div', 'uml-body', this.live);
    this.liveNote = element('div', 'uml-note', this.live);
    const composer = element('div', 'uml-composer', root);
    this.input = element('textarea', 'uml-input', composer);
    this.input.rows = 1;
    this.input.placeholder = 'Ask something';
    this.input.setAttribute('aria-label', 'Question');
    this.button = element('button', 'uml-send', composer);
    this.footer = element('div', 'uml-footer', root);
  }

  listen() {
    this.clear.addEventListener('click', () => this.act('clear'));
    this.button.addEventListener('click', () => (this.model.get('busy') ? this.act('stop') : this.submit()));
    this.input.addEventListener('input', () => this.inputChanged());
    this.input.addEventListener('keydown', event => {
      event.stopPropagation();
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      }
    });
    this.on('turns', () => {
      this.showTurns();
      this.noticed();
    });
    this.on('live', () => this.showLive());
    this.on('busy', () => {
      this.showBusy();
      this.noticed();
    });
    this.on('heading', () => this.showHeading());
    this.on('hint', () => this.showHeading());
  }

  on(trait, show) {
    const event = `change:${trait}`;
    this.model.on(event, show);
    this.stops = [...(this.stops ?? []), () => this.model.off(event, show)];
  }

  remove() {
    clearTimeout(this.slow);
    this.stops.forEach(stop => stop());
  }

  act(action, text = '') {
    this.model.send({ action, text });
    clearTimeout(this.slow);
    this.slow = setTimeout(() => {
      this.footer.textContent = 'The kernel is busy with a cell. Try again when it is done.';
    }, 1500);
  }

  // The kernel has reacted to what was sent.
  noticed() {
    clearTimeout(this.slow);
    this.showHeading();
  }

  // The text stays in the box until the kernel has taken it: a kernel that is busy or gone loses no question.
  submit() {
    const text = this.input.value.trim();
    if (!text || this.pending || this.model.get('busy')) {
      return;
    }
    this.pending = text;
    this.act('send', text);
    this.showBusy();
  }

  accepted() {
    const last = this.model.get('turns').findLast(turn => turn.kind === 'question');
    if (!this.pending || last?.text !== this.pending) {
      return;
    }
    if (this.input.value.trim() === this.pending) {
      this.input.value = '';
    }
    this.pending = '';
    this.inputChanged();
  }

  inputChanged() {
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
    this.showBusy();
  }

  keepAtEnd(change) {
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 24;
    change();
    if (atEnd) {
      this.log.scrollTop = this.log.scrollHeight;
    }
  }

  showTurns() {
    const turns = this.model.get('turns');
    this.keepAtEnd(() => {
      const shown = this.shown ?? [];
      let same = 0;
      while (same < turns.length && JSON.stringify(turns[same]) === shown[same]) {
        same += 1;
      }
      while (this.list.childNodes.length > same) {
        this.list.lastChild.remove();
      }
      this.list.append(...turns.slice(same).map(bubble));
      this.shown = turns.map(turn => JSON.stringify(turn));
    });
    this.offerRetry(turns.at(-1)?.kind === 'error');
    this.accepted();
    this.showEmpty();
  }

  offerRetry(offered) {
    this.retry?.remove();
    if (offered) {
      this.retry = element('button', 'uml-retry', this.list.lastChild);
      this.retry.textContent = 'Try again';
      this.retry.addEventListener('click', () => this.act('retry'));
    }
  }

  showLive() {
    const live = this.model.get('live');
    this.keepAtEnd(() => {
      this.live.hidden = live.html === undefined;
      patch(this.liveBody, live.html ?? '');
      this.liveNote.textContent = live.note ?? '';
    });
    this.showEmpty();
  }

  showBusy() {
    const busy = this.model.get('busy');
    this.button.replaceChildren(icon(busy ? 'stop' : 'send'));
    this.button.title = busy ? 'Stop the answer' : 'Send (Enter)';
    this.button.setAttribute('aria-label', busy ? 'Stop' : 'Send');
    this.button.disabled = !busy && (!this.input.value.trim() || this.pending !== '');
    this.showEmpty();
  }

  showEmpty() {
    const empty = this.model.get('turns').length === 0 && this.live.hidden;
    this.empty.hidden = !empty;
    this.clear.disabled = empty;
  }

  showHeading() {
    this.heading.textContent = this.model.get('heading');
    this.empty.textContent = this.model.get('hint');
    this.footer.textContent = 'Enter sends · Shift+Enter starts a new line';
  }
}

export default {
  render({ model, el }) {
    const view = new ChatView(model, el);
    return () => view.remove();
  },
};
