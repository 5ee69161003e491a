// What goes with a question: variables of the notebook, and images from a file, the clipboard or a drop.

const IMAGE_BYTES = 8 << 20; // of a file: a message to the kernel holds no more than 10 MiB
const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/bmp'];

class Attachments {
  constructor(composer, view) {
    this.view = view;
    this.chips = element('ul', 'uml-chips', composer);
    this.chips.setAttribute('aria-label', 'Goes with the question');
    this.button = button(null, {
      action: 'attach', label: 'Attach a variable or an image', icon: 'attach', className: 'uml-ghost',
      press: () => this.toggle(),
    });
    this.button.setAttribute('aria-expanded', 'false');
    this.build(composer);
    this.listen(composer);
  }

  build(composer) {
    this.menu = element('div', 'uml-menu', composer);
    this.menu.id = `uml-attach-${this.view.id}`;
    this.menu.hidden = true;
    this.menu.setAttribute('role', 'group');
    this.menu.setAttribute('aria-label', 'Attach');
    this.button.setAttribute('aria-controls', this.menu.id);
    const top = element('div', 'uml-menu-top', this.menu);
    this.filter = element('input', '', top);
    this.filter.type = 'search';
    this.filter.placeholder = 'Variable';
    this.filter.setAttribute('aria-label', 'Find a variable');
    this.filter.dataset.umlAction = 'find-variable';
    this.filter.addEventListener('input', () => this.showVariables());
    this.file = element('input', '', top);
    this.file.type = 'file';
    this.file.accept = IMAGE_TYPES.join(',');
    this.file.hidden = true;
    this.file.addEventListener('change', () => this.take(this.file.files));
    this.image = button(top, { action: 'attach-image', label: 'Image …', press: () => this.file.click() });
    this.blind = element('div', 'uml-blind', this.menu);
    this.list = element('div', 'uml-variables', this.menu);
    this.menu.addEventListener('keydown', event => this.key(event));
  }

  listen(composer) {
    composer.addEventListener('paste', event => {
      const { files, types = [] } = event.clipboardData ?? {};
      if (!types.includes('text/plain') && this.take(files)) { // cells of a table come as text, and as their picture
        event.preventDefault();
      }
    });
    composer.addEventListener('dragover', event => {
      if ([...(event.dataTransfer?.items ?? [])].some(item => item.kind === 'file')) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    composer.addEventListener('drop', event => {
      if (event.dataTransfer?.files.length) {
        event.preventDefault();
        event.stopPropagation();
        this.take(event.dataTransfer.files);
      }
    });
  }

  toggle(open = this.menu.hidden) {
    this.menu.hidden = !open;
    this.button.setAttribute('aria-expanded', String(open));
    if (open) {
      this.filter.value = '';
      this.view.messenger.send('variables');
      this.showVariables();
      this.filter.focus();
    } else {
      this.view.input.focus();
    }
  }

  key(event) {
    event.stopPropagation();
    const items = [...this.list.querySelectorAll('button')];
    const place = items.indexOf(document.activeElement);
    if (event.key === 'Escape') {
      this.toggle(false);
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      items[Math.min(place + 1, items.length - 1)]?.focus();
    } else if (event.key === 'ArrowUp' && place >= 0) {
      event.preventDefault();
      (items[place - 1] ?? this.filter).focus();
    } else if (event.key === 'Enter' && event.target === this.filter) {
      event.preventDefault();
      items[0]?.click();
    }
  }

  // Returns whether there was a file.
  take(files) {
    const found = [...(files ?? [])];
    for (const file of found) {
      const wrong = file.size > IMAGE_BYTES ? 'has more than 8 MiB' : 'is no PNG, JPEG, GIF or BMP image';
      if (file.size > IMAGE_BYTES || !IMAGE_TYPES.includes(file.type)) {
        this.view.tell(`${file.name.slice(0, 80)} ${wrong}.`);
        continue;
      }
      const name = file.name || 'image';
      void file.arrayBuffer().then(data => this.view.messenger.send('image', { name }, [data]));
    }
    if (found.length > 0) {
      this.file.value = '';
      this.toggle(false);
    }
    return found.length > 0;
  }

  showVariables() {
    const wanted = this.filter.value.trim().toLowerCase();
    const fitting = this.view.model.get('variables').filter(each => each.name.toLowerCase().includes(wanted));
    this.list.replaceChildren(...fitting.map(each => this.item(each)));
    if (fitting.length === 0) {
      element('div', 'uml-quiet', this.list).textContent = wanted ? 'No such variable' : 'No variables yet';
    }
  }

  item({ name, note }) {
    const item = button(null, { action: 'attach-variable', label: '', press: () => {
      this.view.messenger.send('attach', { name });
      this.toggle(false);
    } });
    element('span', '', item).textContent = name;
    element('span', 'uml-quiet', item).textContent = note;
    return item;
  }

  // Whether the model sees images.
  showSight() {
    const blind = this.view.model.get('blind');
    if (blind && this.image === document.activeElement) {
      this.filter.focus();
    }
    this.blind.textContent = this.image.title = blind;
    this.blind.hidden = !blind;
    this.image.disabled = Boolean(blind);
  }

  show() {
    const attached = this.view.model.get('attached');
    this.chips.hidden = attached.length === 0;
    this.chips.replaceChildren(...attached.map(({ name, note }) => {
      const chip = element('li', 'uml-chip');
      element('span', '', chip).textContent = name;
      element('span', 'uml-quiet', chip).textContent = note;
      button(chip, {
        action: 'detach', label: `Remove ${name}`, icon: 'close', className: 'uml-ghost',
        press: () => {
          this.view.messenger.send('detach', { name });
          this.view.input.focus();
        },
      });
      return chip;
    }));
  }
}
