// A question before something that cannot be undone. Needs elements.js.

class Confirm {
  // `action` and `label`: of the button that agrees.
  constructor(parent, id, { action, label }) {
    this.node = element('dialog', 'uml-confirm', parent);
    this.title = element('div', 'uml-title', this.node);
    this.text = element('div', '', this.node);
    this.title.id = `${id}-title`;
    this.text.id = `${id}-text`;
    this.node.setAttribute('aria-labelledby', this.title.id);
    this.node.setAttribute('aria-describedby', this.text.id);
    this.node.addEventListener('keydown', event => event.stopPropagation()); // Escape, too, is for this alone
    const buttons = element('div', 'uml-buttons', this.node);
    button(buttons, { action: 'cancel', label: 'Cancel', press: () => this.node.close() });
    button(buttons, { action, label, className: 'uml-primary', press: () => this.agree() });
  }

  // Cancel has the focus; afterwards what had it before.
  ask({ title, text, agree }) {
    this.title.textContent = title;
    this.text.textContent = text;
    this.agree = () => {
      this.node.close();
      agree();
    };
    this.node.showModal();
  }
}
