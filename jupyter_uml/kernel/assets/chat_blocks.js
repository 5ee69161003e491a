// Rendered Markdown on its way: finished blocks come once and stay, the rest is replaced. HTML comes sanitised.

// Returns whether it could.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // where pages have no clipboard, as over plain HTTP, or may not write to it
    const box = element('textarea', '', document.body);
    box.value = text;
    box.select();
    const copied = document.execCommand('copy');
    box.remove();
    return copied;
  }
}

// A button that copies what `text` returns, and says for a moment whether it could.
function copyButton(parent, label, action, text) {
  const node = button(parent, { action, label, icon: 'copy', className: 'uml-ghost', press: async () => {
    const again = document.activeElement === node;
    const copied = await copyText(text());
    const told = copied ? 'Copied' : 'The browser refuses to copy';
    node.replaceChildren(icon(copied ? 'check' : 'close'));
    node.title = told;
    node.setAttribute('aria-label', told);
    setTimeout(() => {
      node.replaceChildren(icon('copy'));
      node.title = label;
      node.setAttribute('aria-label', label);
    }, 1500);
    if (again) {
      node.focus();
    }
  } });
  return node;
}

// Replaces only what changed, so that a selection in the part before survives, and a list that grows is not made anew.
function patch(target, html) {
  const fresh = document.createElement('template');
  fresh.innerHTML = html;
  patchChildren(target, fresh.content);
}

function patchChildren(target, fresh) {
  const next = [...fresh.childNodes];
  next.forEach((node, place) => {
    const shown = target.childNodes[place];
    if (shown === undefined) {
      target.append(node);
    } else if (isAlike(shown, node)) {
      patchChildren(shown, node);
    } else if (!shown.isEqualNode(node)) {
      shown.replaceWith(node);
    }
  });
  while (target.childNodes.length > next.length) {
    target.lastChild.remove();
  }
}

function isAlike(one, other) {
  return one.nodeType === Node.ELEMENT_NODE && one.childNodes.length > 0 && other.childNodes.length > 0
    && one.cloneNode().isEqualNode(other.cloneNode());
}

function block(html) {
  const node = element('div', 'uml-block');
  node.dir = 'auto';
  node.innerHTML = html;
  for (const code of node.querySelectorAll('pre')) {
    const frame = element('div', 'uml-code');
    code.replaceWith(frame);
    frame.append(code);
    code.tabIndex = 0; // it scrolls
    copyButton(frame, 'Copy the code', 'copy-code', () => code.textContent.replace(/\n$/, ''));
  }
  return node;
}

// Asks whoever can to set the formulas in blocks that stand in the page, once in each; else their source is shown.
function setFormulas(root) {
  for (const node of root.isConnected ? root.querySelectorAll('.uml-block:not([data-uml-set])') : []) {
    node.dataset.umlSet = '';
    if (/\$|\\[([]/.test(node.textContent)) {
      node.dispatchEvent(new CustomEvent('jupyter-uml:formulas', { bubbles: true }));
    }
  }
}

// One part of an answer. `read(number)`: the HTML of a finished block.
class Blocks {
  constructor(root, read) {
    this.root = root;
    this.read = read;
    this.shown = [];
    this.rest = element('div', 'uml-rest', root);
    this.rest.dir = 'auto';
    this.html = '';
  }

  show(count, rest) {
    const fresh = Array.from({ length: count }, (_, number) => this.read(number) ?? '');
    let same = 0;
    while (same < count && fresh[same] === this.shown[same]) {
      same += 1;
    }
    for (let number = this.shown.length; number > same; number -= 1) {
      this.root.childNodes[number - 1].remove();
    }
    this.rest.before(...fresh.slice(same).map(block));
    this.shown = fresh;
    if (rest !== this.html) {
      this.html = rest;
      patch(this.rest, rest);
    }
  }
}
