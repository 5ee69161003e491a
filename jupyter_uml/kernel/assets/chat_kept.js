// What the page keeps of a panel as long as its tab is open, since a kernel that is restarted forgets it: its settings,
// and what was typed and not sent. A panel that the same cell makes again in the same way takes it up.
class Kept {
  constructor(model) {
    this.model = model;
    const { cell, settings } = model.get('origin');
    this.key = cell && `jupyter-uml:chat:${JSON.stringify([cell, ...pairsOf(settings)])}`;
    this.first = settings;
    this.stop = () => {};
    if (cell) {
      this.restore();
      this.stop = watch(model, ['settings', 'draft'], () => this.keep());
    }
  }

  // Only what nobody has changed yet in the new panel: what the kernel knows is newer.
  restore() {
    const { settings, draft } = this.read();
    if (settings && isFilledAlike(this.model.get('settings'), this.first)) {
      this.model.set('settings', settings);
    }
    if (draft && !this.model.get('draft')) {
      this.model.set('draft', draft);
    }
    this.model.save_changes();
  }

  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key)) ?? {};
    } catch { // a page that may keep nothing
      return {};
    }
  }

  keep() {
    const [settings, draft] = ['settings', 'draft'].map(name => this.model.get(name));
    try {
      if (draft || !isFilledAlike(settings, this.first)) {
        sessionStorage.setItem(this.key, JSON.stringify({ settings, draft }));
      } else {
        sessionStorage.removeItem(this.key);
      }
    } catch { // or no more
    }
  }
}

function pairsOf(settings) {
  return Object.entries(settings).sort();
}

function isFilledAlike(one, other) {
  return JSON.stringify(pairsOf(one)) === JSON.stringify(pairsOf(other));
}
