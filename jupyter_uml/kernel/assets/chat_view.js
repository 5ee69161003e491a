// The page's side of ChatView. Needs elements.js and the other chat_*.js.

const TYPING = 400; // milliseconds without a key, after which the kernel keeps what has been typed
const HINT = 'Enter sends · Shift+Enter starts a new line';

class ChatView {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.id = crypto.randomUUID?.() ?? String(Math.random());
    this.pending = '';
    root.classList.add('uml-view', 'uml-chat');
    root.dataset.lmSuppressShortcuts = 'true'; // keys typed here are no commands of JupyterLab
    this.messenger = new Messenger(model, text => this.tell(text));
    this.kept = new Kept(model);
    this.soon = withTheNextFrame(() => this.showTurns());
    this.build();
    this.stops = this.listen();
    this.draft = this.input.value = model.get('draft');
    this.settings.show();
    this.attachments.show();
    this.attachments.showSight();
    this.showTurns();
    this.showHeading();
    this.tell(model.get('notice'));
  }

  remove() {
    this.keepDraft();
    this.stops.forEach(stop => stop());
    this.soon.cancel();
    this.kept.stop();
    this.messenger.remove();
  }

  // --- what it is made of -----------------------------------------------------------------------

  build() {
    this.buildHeader();
    this.settings = new ChatSettings(this.root, this);
    this.gear.setAttribute('aria-controls', this.settings.root.id);
    this.log = element('div', 'uml-log', this.root);
    this.log.setAttribute('role', 'log');
    this.log.setAttribute('aria-label', 'Conversation');
    this.log.tabIndex = 0;
    this.empty = element('div', 'uml-empty', this.log);
    this.turns = new TurnList(element('div', 'uml-list', this.log), this);
    this.place = new Place(this.log, () => this.sized());
    this.buildComposer();
    this.footer = element('div', 'uml-footer', this.root);
    this.footer.setAttribute('role', 'status');
  }

  buildHeader() {
    const header = element('div', 'uml-header', this.root);
    this.heading = element('span', 'uml-heading', header);
    const small = { className: 'uml-ghost' };
    this.gear = button(header, {
      ...small, action: 'settings', label: 'Settings', icon: 'settings',
      press: () => this.gear.setAttribute('aria-expanded', String(this.settings.toggle())),
    });
    this.gear.setAttribute('aria-expanded', 'false');
    this.exporter = button(header, {
      ...small, action: 'export', label: 'Put the conversation into cells', icon: 'export',
      press: () => this.act('cells', { view: this.id }),
    });
    this.clear = button(header, {
      ...small, action: 'clear', label: 'Clear', title: 'Forget this conversation', press: () => this.ask('clear'),
    });
  }

  buildComposer() {
    const composer = element('div', 'uml-composer', this.root);
    this.attachments = new Attachments(composer, this);
    const row = element('div', 'uml-row', composer);
    row.append(this.attachments.button);
    this.input = element('textarea', 'uml-input', row);
    this.input.rows = 1;
    this.input.dir = 'auto';
    this.input.placeholder = 'Ask something';
    this.input.setAttribute('aria-label', 'Question');
    this.input.dataset.umlAction = 'type';
    this.button = button(row, {
      action: 'send', label: 'Send', icon: 'send', className: 'uml-send',
      press: event => this.pressed(event),
    });
  }

  listen() {
    this.input.addEventListener('input', () => this.typed());
    this.input.addEventListener('change', () => this.keepDraft());
    this.input.addEventListener('keydown', event => {
      event.stopPropagation();
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      } else if (event.key === 'Escape' && this.isBusy()) {
        this.act('stop');
      }
    });
    const exported = message => this.exported(message);
    this.model.on('msg:custom', exported);
    return [
      () => this.model.off('msg:custom', exported),
      () => this.place.remove(),
      watch(this.model, ['busy'], () => (this.wasBusy ||= this.isBusy())),
      watch(this.model, ['turns', 'live', 'busy'], () => this.soon()),
      watch(this.model, ['heading', 'hint'], () => this.showHeading()),
      watch(this.model, ['settings', 'faults', 'models'], () => this.settings.show()),
      watch(this.model, ['variables'], () => this.attachments.showVariables()),
      watch(this.model, ['attached'], () => this.attachments.show()),
      watch(this.model, ['blind'], () => this.attachments.showSight()),
      sayWhileSeen(this.root, this.id, this.messenger),
      watch(this.model, ['notice'], () => this.refused()),
      watch(this.model, ['draft'], () => this.follow()),
    ];
  }

  // --- what a person does -----------------------------------------------------------------------

  isBusy() {
    return this.model.get('busy');
  }

  act(action, fields) {
    this.messenger.send(action, fields);
  }

  // By a button that goes, or cannot be pressed then: whoever uses the keyboard goes on at the place to type.
  ask(action, fields) {
    this.act(action, fields);
    this.input.focus();
  }

  // By the second click of a double click the button may mean something else.
  pressed({ detail }) {
    if (detail < 2 && this.isBusy()) {
      this.act('stop');
    } else if (detail < 2) {
      this.submit();
    }
    this.input.focus();
  }

  // The text stays in the box until the kernel has taken it: a kernel that is busy or gone loses no question.
  submit() {
    const text = this.input.value.trim();
    if (!text || this.pending || this.isBusy()) {
      return;
    }
    this.pending = text;
    this.act('send', { text });
    this.showBusy();
  }

  // Returns whether it has.
  accepted() {
    const last = this.model.get('turns').findLast(turn => turn.kind === 'question');
    if (!this.pending || last?.text !== this.pending) {
      return false;
    }
    if (this.input.value.trim() === this.pending) {
      this.input.value = '';
    }
    this.pending = '';
    this.grow();
    this.keepDraft();
    return true;
  }

  refused() {
    const notice = this.model.get('notice');
    this.tell(notice);
    if (notice && !this.isBusy()) {
      this.pending = '';
      this.showBusy();
    }
  }

  typed() {
    this.grow();
    this.showBusy();
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.keepDraft(), TYPING);
  }

  keepDraft() {
    clearTimeout(this.typing);
    if (this.model.get('draft') !== this.input.value) {
      this.model.set('draft', this.input.value);
      this.model.save_changes();
    }
  }

  // Another view of this panel sent what stands here, too, or went on with it.
  follow() {
    const shown = this.draft;
    this.draft = this.model.get('draft');
    if (this.input.value === shown && this.input !== document.activeElement) {
      this.input.value = this.draft;
      this.grow();
      this.showBusy();
    }
  }

  exported({ kind, view, cells }) {
    if (kind !== 'cells' || view !== this.id) {
      return;
    }
    const event = new CustomEvent('jupyter-uml:cells', { bubbles: true, cancelable: true, detail: { cells } });
    if (this.root.dispatchEvent(event)) {
      this.act('save'); // nobody here can put cells into the notebook
    } else {
      this.tell(cells.length === 1 ? 'One cell stands below.' : `${cells.length} cells stand below.`);
    }
  }

  // --- what it shows ----------------------------------------------------------------------------

  tell(text) {
    this.footer.textContent = text || this.model.get('notice') || HINT;
  }

  // It stands in the page now, or has another width.
  sized() {
    this.grow();
    setFormulas(this.root);
  }

  grow() {
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }

  showTurns() {
    const turns = this.model.get('turns');
    const live = this.model.get('live');
    const follows = this.place.isAtEnd();
    this.turns.show(turns, live);
    setFormulas(this.root);
    this.empty.hidden = turns.length > 0 || live.turn !== undefined;
    this.clear.disabled = this.exporter.disabled = !this.empty.hidden;
    if (this.accepted() || follows) {
      this.place.goToEnd();
    }
    if (this.wasBusy && !this.isBusy()) {
      this.pending = ''; // the kernel was busy with another question, and has not taken this one
      this.wasBusy = false;
    }
    this.showBusy();
  }

  showBusy() {
    const busy = this.isBusy();
    const name = busy ? 'stop' : 'send';
    if (this.button.dataset.umlAction !== name) {
      this.button.dataset.umlAction = name;
      this.button.replaceChildren(icon(name));
      this.button.title = busy ? 'Stop the answer' : 'Send (Enter)';
      this.button.setAttribute('aria-label', busy ? 'Stop' : 'Send');
    }
    this.button.disabled = !busy && (!this.input.value.trim() || this.pending !== '');
    this.root.classList.toggle('uml-busy', busy);
  }

  showHeading() {
    this.heading.textContent = this.model.get('heading');
    this.empty.textContent = this.model.get('hint');
  }
}

export default {
  render({ model, el }) {
    const view = new ChatView(model, el);
    return () => view.remove();
  },
};
