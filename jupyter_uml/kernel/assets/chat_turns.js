// The turns of a conversation: questions that can be edited, answers as they grow, errors. Needs chat_blocks.js.

class Question {
  constructor(turn, view) {
    this.view = view;
    this.turn = turn;
    this.node = element('div', 'uml-turn uml-question');
    this.body = element('div', 'uml-body', this.node);
    this.body.dir = 'auto';
    this.body.textContent = turn.text;
    if (turn.attached?.length) {
      const names = element('div', 'uml-note', this.node);
      names.textContent = turn.attached.map(each => `${each.name} (${each.note})`).join(', ');
    }
    this.tools = element('div', 'uml-tools', this.node);
    this.edit = button(this.tools, {
      action: 'edit', label: 'Edit the question', icon: 'edit', className: 'uml-ghost', press: () => this.open(),
    });
  }

  open() {
    if (this.form || this.view.isBusy()) {
      return;
    }
    this.form = element('div', 'uml-edit', this.node);
    this.box = element('textarea', 'uml-input', this.form);
    this.box.dir = 'auto';
    this.box.value = this.turn.text;
    this.box.rows = Math.min(8, this.turn.text.split('\n').length + 1);
    this.box.setAttribute('aria-label', 'The question in other words');
    this.box.dataset.umlAction = 'edit-text';
    this.box.addEventListener('keydown', event => this.key(event));
    const row = element('div', 'uml-tools', this.form);
    const hint = element('span', 'uml-note', row);
    hint.textContent = 'What came after it goes.';
    button(row, { action: 'edit-cancel', label: 'Cancel', press: () => this.close() });
    this.again = button(row, { action: 'edit-send', label: 'Ask again', className: 'uml-primary', press: () => this.send() });
    this.body.hidden = this.tools.hidden = true;
    this.update();
    this.box.focus();
  }

  key(event) {
    event.stopPropagation();
    if (event.key === 'Escape') {
      this.close();
    } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    }
  }

  send() {
    const text = this.box.value.trim();
    if (text && !this.view.isBusy()) {
      this.view.ask('edit', { turn: this.turn.id, text });
    }
  }

  close() {
    this.form.remove();
    this.form = undefined;
    this.body.hidden = this.tools.hidden = false;
    this.edit.focus();
  }

  update() {
    if (this.form) {
      this.again.disabled = this.view.isBusy();
    }
  }
}

class ErrorTurn {
  constructor(turn, view) {
    this.node = element('div', 'uml-turn uml-error');
    this.node.setAttribute('role', 'alert');
    element('div', 'uml-body', this.node).textContent = turn.text;
    this.retry = button(this.node, {
      action: 'retry', label: 'Try again', className: 'uml-retry', press: () => view.ask('retry'),
    });
  }

  update(isLast) {
    this.retry.hidden = !isLast;
  }
}

class AnswerTurn {
  constructor(id, view) {
    const read = part => number => view.model.get(`block:${id}:${part}:${number}`);
    this.node = element('div', 'uml-turn uml-answer');
    this.thoughts = element('details', 'uml-reasoning', this.node);
    const summary = element('summary', '', this.thoughts);
    summary.textContent = 'Reasoning';
    summary.dataset.umlAction = 'reasoning';
    this.thoughts.open = true;
    this.body = element('div', 'uml-body', this.node);
    this.parts = {
      reasoning: new Blocks(element('div', 'uml-thoughts', this.thoughts), read('reasoning')),
      text: new Blocks(this.body, read('text')),
    };
    const foot = element('div', 'uml-tools', this.node);
    this.note = element('span', 'uml-note', foot);
    this.copy = copyButton(foot, 'Copy the answer', 'copy-answer', () => read('source')(0) ?? this.body.innerText);
    this.again = button(foot, {
      action: 'regenerate', label: 'Answer again', icon: 'refresh', className: 'uml-ghost',
      press: () => view.ask('regenerate'),
    });
  }

  // While it is being written.
  grow({ parts, note }) {
    this.node.classList.add('uml-live');
    this.node.setAttribute('aria-busy', 'true');
    this.fill(parts, note);
    this.copy.hidden = this.again.hidden = true;
  }

  finish({ parts, note }) {
    this.node.classList.remove('uml-live');
    this.node.removeAttribute('aria-busy');
    this.fill({ reasoning: [parts.reasoning, ''], text: [parts.text, ''] }, note);
    this.copy.hidden = this.again.hidden = false;
  }

  fill(parts, note) {
    for (const [name, [count, rest]] of Object.entries(parts)) {
      this.parts[name].show(count, rest);
    }
    const hasThoughts = parts.reasoning[0] > 0 || parts.reasoning[1] !== '';
    const hasText = parts.text[0] > 0 || parts.text[1] !== '';
    this.thoughts.hidden = !hasThoughts;
    if (hasText && !this.hadText) {
      this.thoughts.open = false;
    }
    this.hadText = hasText;
    this.note.textContent = note;
  }

  update(isLast) {
    this.again.hidden = !isLast || this.copy.hidden;
  }
}

// What stands in the log, one row for each turn; a turn that has not changed is left alone.
class TurnList {
  constructor(root, view) {
    this.root = root;
    this.view = view;
    this.rows = [];
  }

  show(turns, live) {
    const wanted = live.turn === undefined ? turns : [...turns, { id: live.turn, kind: 'answer', live }];
    let same = 0;
    while (same < wanted.length && this.rows[same] && this.isSame(this.rows[same], wanted[same])) {
      same += 1;
    }
    this.rows.splice(same).forEach(row => row.shown.node.remove());
    for (const turn of wanted.slice(same)) {
      const shown = this.made(turn);
      this.rows.push({ id: turn.id, text: turn.text, shown });
      this.root.append(shown.node);
    }
    wanted.forEach((turn, place) => this.fill(this.rows[place], turn));
    const canAskAgain = live.turn === undefined && !this.view.isBusy();
    this.rows.forEach((row, place) => row.shown.update(canAskAgain && place === this.rows.length - 1));
  }

  isSame(row, turn) {
    return row.id === turn.id && row.text === turn.text;
  }

  made(turn) {
    switch (turn.kind) {
      case 'question':
        return new Question(turn, this.view);
      case 'error':
        return new ErrorTurn(turn, this.view);
      default:
        return new AnswerTurn(turn.id, this.view);
    }
  }

  fill(row, turn) {
    if (turn.live) {
      row.isFinished = false;
      row.shown.grow(turn.live);
    } else if (turn.kind === 'answer' && !row.isFinished) {
      row.isFinished = true;
      row.shown.finish(turn);
    }
  }
}
