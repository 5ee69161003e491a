// How the panel asks: its model, its system prompt, how the next token is drawn. Needs elements.js.

const SETTINGS = [
  ['temperature', 'Temperature', '0: always the likeliest token; higher: more variety', 'decimal'],
  ['top_p', 'Top p', 'Only the likeliest tokens that have this probability together', 'decimal'],
  ['max_tokens', 'Longest answer', 'In tokens', 'numeric'],
  ['seed', 'Seed', 'The same seed, the same answer', 'numeric'],
];

class ChatSettings {
  constructor(root, view) {
    this.view = view;
    this.root = element('div', 'uml-settings', root);
    this.root.id = `uml-settings-${view.id}`;
    this.root.setAttribute('role', 'group');
    this.root.setAttribute('aria-label', 'Settings');
    this.root.hidden = true;
    this.fields = {};
    this.faults = {};
    this.add('model', 'Model', 'Which is asked', element('select'));
    for (const [name, label, hint, mode] of SETTINGS) {
      const input = element('input');
      input.type = 'text';
      input.inputMode = mode;
      input.placeholder = 'auto';
      this.add(name, label, hint, input);
    }
    const system = element('textarea', 'uml-system');
    system.rows = 2;
    system.dir = 'auto';
    system.placeholder = 'What the model is told before the conversation';
    this.add('system', 'System prompt', '', system).classList.add('uml-wide');
  }

  add(name, label, hint, control) {
    control.dataset.umlAction = `set-${name}`;
    control.addEventListener('change', () => this.changed(name, control.value));
    control.addEventListener('keydown', event => event.stopPropagation());
    const node = field(this.root, label, control, hint);
    this.fields[name] = control;
    this.faults[name] = element('span', 'uml-fault', node);
    this.faults[name].setAttribute('role', 'alert');
    return node;
  }

  toggle() {
    this.root.hidden = !this.root.hidden;
    if (!this.root.hidden) {
      this.view.messenger.send('models');
      this.fields.model.focus();
    }
    return !this.root.hidden;
  }

  changed(name, value) {
    this.view.model.set('settings', { ...this.view.model.get('settings'), [name]: value });
    this.view.model.save_changes();
  }

  show() {
    const settings = this.view.model.get('settings');
    const faults = this.view.model.get('faults');
    const known = this.view.model.get('models');
    const chosen = settings.model ?? '';
    const unknown = chosen && !known.some(([id]) => id === chosen) ? [[chosen, chosen]] : [];
    setOptions(this.fields.model, [['', 'the one used last'], ...unknown, ...known]);
    for (const [name, control] of Object.entries(this.fields)) {
      if (control !== document.activeElement || name === 'model') {
        control.value = settings[name] ?? '';
      }
      this.faults[name].textContent = faults[name] ?? '';
      control.setAttribute('aria-invalid', String(name in faults));
    }
  }
}
