// The page's side of ModelView. Needs elements.js, figures.js, plot.js, fit_bar.js, load_form.js and confirm.js.

const MANY = 12; // models, from which on there is a filter
const QUIET = 120; // milliseconds without a change, before the kernel is told of an option

class ModelView {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.id = crypto.randomUUID?.() ?? String(Math.random());
    root.classList.add('uml-view', 'uml-models');
    keepKeys(root);
    this.soon = withTheNextFrame(() => this.show());
    this.build();
    this.tell(this.silence, '');
    this.messenger = new Messenger(model, text => this.tell(this.silence, text));
    this.stops = [
      watch(model, ['choices', 'model'], () => this.showChoices()),
      watch(model, ['status', 'options', 'fit', 'points', 'machine'], () => this.soon()),
      watch(model, ['samples'], () => this.showSamples()),
      watch(model, ['notice'], () => this.tell(this.notice, model.get('notice'))),
      this.watchKernel(),
      sayWhileSeen(root, this.id, this.messenger),
    ];
    this.showChoices();
    this.show();
    this.showSamples();
    this.tell(this.notice, model.get('notice'));
  }

  remove() {
    this.stops.forEach(stop => stop());
    this.messenger.remove();
    clearTimeout(this.typing);
    this.soon.cancel();
  }

  // The kernel has come or gone: which of both is found out by asking it.
  watchKernel() {
    const ask = () => this.messenger.send('ping');
    this.model.on('comm_live_update', ask);
    return () => this.model.off('comm_live_update', ask);
  }

  // --- what it is made of -----------------------------------------------------------------------

  build() {
    this.buildTop();
    this.status = element('div', 'uml-status', this.root);
    this.dot = element('span', 'uml-dot', this.status);
    this.dot.setAttribute('aria-hidden', 'true');
    this.words = element('span', '', this.status);
    this.news = element('div', 'uml-spoken', this.root);
    this.news.setAttribute('role', 'status');
    this.buildProgress();
    const set = (name, value, quiet) => this.set(name, value, quiet);
    this.context = new ContextField(this.root, this.id, set);
    this.bar = new FitBar(this.root);
    this.fit = element('div', 'uml-fit', this.root);
    this.verdict = element('span', '', this.fit);
    this.largest = button(this.fit, {
      action: 'largest',
      label: '',
      title: 'The longest context that fits',
      press: () => this.set('n_ctx', String(this.model.get('fit').largest), 0),
    });
    this.options = new OptionFields(this.root, this.id, set);
    this.plots = element('div', 'uml-plots', this.root);
    this.memory = new Plot(this.plots, { name: 'Memory', format: sizeText });
    this.speed = new Plot(this.plots, { name: 'Speed', format: rateText });
    this.notice = element('div', 'uml-error', this.root);
    this.notice.setAttribute('role', 'alert');
    this.silence = element('div', 'uml-quiet uml-silence', this.root);
    this.silence.setAttribute('role', 'status');
    this.question = new Confirm(this.root, this.id, { action: 'reload', label: 'Reload' });
  }

  buildTop() {
    const top = element('div', 'uml-top', this.root);
    this.filter = element('input', 'uml-filter', top);
    this.filter.type = 'search';
    this.filter.placeholder = 'Filter';
    this.filter.setAttribute('aria-label', 'Filter');
    this.filter.addEventListener('input', () => this.showChoices());
    this.filter.addEventListener('keydown', event => this.filterKey(event));
    this.choice = element('select', 'uml-choice', top);
    this.choice.setAttribute('aria-label', 'Model');
    this.choice.dataset.umlAction = 'choose';
    this.choice.addEventListener('change', () => this.choose(this.choice.value));
    const act = action => () => this.act(action);
    button(top, { action: 'refresh', label: 'Ask again what there is', icon: 'refresh', press: act('refresh') });
    this.load = button(top, { action: 'load', label: 'Load', className: 'uml-primary', press: () => this.pressLoad() });
    this.unload = button(top, { action: 'unload', label: 'Unload', press: act('unload') });
    this.force = button(top, {
      action: 'unload-now', label: 'Unload now', title: 'End the answers under way', press: act('unload-now'),
    });
    this.pin = button(top, { action: 'pin', label: 'Keep loaded', icon: 'pin', press: act('pin') });
  }

  buildProgress() {
    this.progress = element('div', 'uml-progress', this.root);
    this.track = element('progress', '', this.progress);
    this.track.max = 1;
    this.track.setAttribute('aria-label', 'Progress');
    this.progressWords = element('span', 'uml-figure', this.progress);
  }

  // --- what a person does -----------------------------------------------------------------------

  // With what it is about: synced state may be held back while the kernel is busy, and come after the message.
  act(action) {
    this.messenger.send(action, { model: this.model.get('model'), options: this.edited ?? this.model.get('options') });
  }

  // What has to be unloaded for it may have answers under way.
  pressLoad() {
    const { active, is_less: isLess } = this.model.get('status');
    if (!isLess || !active) {
      this.act('load');
      return;
    }
    const under = active === 1 ? '1 answer is under way' : `${active} answers are under way`;
    this.question.ask({
      title: `Unload ${this.model.get('model')} and load it again?`,
      text: `${under}. The model waits up to 30 s for the end, then cuts off what is left.`,
      agree: () => this.act('load'),
    });
  }

  choose(id) {
    clearTimeout(this.typing);
    this.edited = undefined;
    this.model.set('model', id);
    this.model.save_changes();
  }

  filterKey(event) {
    const [first] = this.choice.options;
    if (event.key === 'Enter' && first) {
      this.choose(first.value);
      this.choice.focus();
    }
  }

  // Shown at once, told to the kernel when the person pauses.
  set(name, value, quiet = QUIET) {
    this.edited = { ...(this.edited ?? this.model.get('options')), [name]: value };
    this.soon();
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.commit(), quiet);
  }

  commit() {
    this.model.set('options', this.edited);
    this.edited = undefined;
    this.model.save_changes();
  }

  // --- what it shows ----------------------------------------------------------------------------

  tell(node, text) {
    node.hidden = !text;
    node.textContent = text;
  }

  showChoices() {
    const all = this.model.get('choices');
    const wanted = this.filter.value.trim().toLowerCase();
    this.filter.hidden = all.length < MANY && !wanted;
    const shown = all.filter(([id, text]) => `${id} ${text}`.toLowerCase().includes(wanted));
    const chosen = all.find(([id]) => id === this.model.get('model'));
    setOptions(this.choice, chosen && !shown.includes(chosen) ? [...shown, chosen] : shown);
    this.choice.value = this.model.get('model') ?? '';
    this.soon();
  }

  show() {
    const status = this.model.get('status');
    const options = this.edited ?? this.model.get('options');
    this.showStatus(status);
    this.showButtons(status, options);
    this.showProgress(status);
    this.options.show(options, this.model.get('fit'));
    this.showFit(status, options, this.model.get('fit'));
  }

  showStatus({ state = '', words = '' }) {
    this.dot.className = `uml-dot uml-state-${state}`;
    this.words.textContent = words;
    const news = state ? `${this.model.get('model')}: ${state}` : '';
    if (this.news.textContent !== news) {
      this.news.textContent = news;
    }
  }

  showButtons(status, options) {
    const { state, is_up: isUp, is_changed: isChanged, progress, pinned, active } = status;
    const moving = progress !== undefined && progress !== null;
    const isLoaded = state === 'loaded';
    const coming = state === 'queued' || state === 'loading';
    this.load.disabled = !state || moving || (isLoaded && !isChanged && !options.keep_alive);
    this.load.textContent = isLoaded && isChanged ? 'Reload' : isLoaded && options.keep_alive ? 'Apply' : 'Load';
    this.unload.disabled = !isUp || state === 'unloading';
    this.unload.textContent = coming ? 'Cancel' : 'Unload';
    this.unload.title = active ? 'After the answers under way, or 30 s' : '';
    this.force.hidden = !active || !(state === 'unloading' || isLoaded);
    this.pin.disabled = !state || moving;
    this.pin.setAttribute('aria-pressed', String(Boolean(pinned)));
    this.pin.title = pinned ? 'Pinned: it stays loaded. Click to let it go' : 'Pin: load it and keep it loaded';
  }

  showProgress({ progress, progress_words: words = '' }) {
    this.progress.hidden = progress === undefined || progress === null;
    this.track.value = progress ?? 0;
    this.progressWords.textContent = words;
  }

  showFit(status, options, fit) {
    const points = this.model.get('points');
    const longest = status.longest || points.at(-1)?.[0] || 0;
    const nCtx = Number(options.n_ctx) || fit.chosen?.n_ctx || status.n_ctx || 0;
    this.context.show(nCtx, longest, Boolean(options.n_ctx));
    const isExact = fit.parts && (Number(options.n_ctx) || 0) === (fit.asked?.n_ctx ?? 0);
    const parts = !isExact && points.length && nCtx ? partsAt(points, nCtx) : fit.parts;
    const most = points.length ? total(partsAt(points, longest)) : 0;
    const { total: whole, free, others } = this.model.get('machine');
    const available = fit.available ?? 0;
    const isAsIs = status.state === 'loaded' && !status.is_changed && isExact;
    this.bar.show({ parts, most, available, free: isAsIs ? free : available, others, total: whole });
    this.showVerdict(isAsIs, fit, isExact ? null : parts);
    this.largest.hidden = isAsIs || !fit.largest || nCtx <= fit.largest;
    this.largest.textContent = `Take ${countText(fit.largest ?? 0)} tokens`;
  }

  // In the server's words, or while the slider moves by what was drawn.
  showVerdict(isAsIs, fit, moving) {
    let { text = '', tone = '' } = fit;
    if (moving && fit.available) {
      const fits = total(moving) <= fit.available;
      tone = fits ? 'good' : 'bad';
      text = `${fits ? 'Fits' : 'Does not fit'}: needs about ${sizeText(total(moving))}, has ${sizeText(fit.available)}`;
    }
    this.fit.hidden = !text || (isAsIs && tone !== 'bad');
    this.fit.className = `uml-fit uml-tone-${tone}`;
    this.verdict.textContent = text;
  }

  showSamples() {
    const samples = this.model.get('samples');
    this.plots.hidden = !samples.length;
    this.memory.show(samples.map(([time, bytes]) => [time, bytes]));
    this.speed.show(samples.map(([time, , rate]) => [time, rate]));
  }
}

export default {
  render({ model, el }) {
    const view = new ModelView(model, el);
    return () => view.remove();
  },
};
