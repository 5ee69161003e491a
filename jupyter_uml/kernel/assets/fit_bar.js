// A bar of what a model would take in memory, part by part, and what there is. Needs elements.js and figures.js.

const PARTS = ['Weights', 'KV cache', 'Buffers', 'Companions'];

// Bytes of each part with a context of `nCtx` tokens. `points` are [n_ctx, bytes of each part], the shortest first.
function partsAt(points, nCtx) {
  const last = points.length - 1;
  const longer = points.findIndex(([n]) => n >= nCtx);
  const after = longer < 0 ? last : Math.min(Math.max(1, longer), last);
  const [from, to] = [points[Math.max(0, after - 1)], points[after]];
  const share = to[0] === from[0] ? 0 : (nCtx - from[0]) / (to[0] - from[0]);
  return from.slice(1).map((bytes, part) => Math.max(0, Math.round(bytes + share * (to[part + 1] - bytes))));
}

function total(parts) {
  return parts.reduce((sum, bytes) => sum + bytes, 0);
}

class FitBar {
  constructor(parent) {
    this.node = element('div', 'uml-fit-bar', parent);
    this.bar = element('div', 'uml-bar', this.node);
    this.bar.setAttribute('role', 'img');
    this.segments = PARTS.map((_, part) => element('div', `uml-part uml-part-${part}`, this.bar));
    this.taken = element('div', 'uml-taken', this.bar);
    this.limit = element('div', 'uml-limit', this.bar);
    this.legend = element('div', 'uml-legend', this.node);
    this.figures = [...PARTS, 'Other models', 'Free'].map((name, part) => {
      const item = element('span', '', this.legend);
      element('span', `uml-key uml-part-${part}`, item).setAttribute('aria-hidden', 'true');
      item.append(`${name} `);
      return { item, name, figure: element('span', 'uml-figure', item) };
    });
  }

  // Bytes. `parts`: as PARTS; `most`: with the longest context; `available`: for this model; `free`: as it is called;
  // `total`: of the machine. Where much more is free than this model could take, the bar is cut short.
  show({ parts, most, available, free, others, total: whole }) {
    this.node.hidden = !parts;
    if (!parts) {
      return;
    }
    const scale = Math.max(total(parts), Math.min(1.1 * most, whole || 1.5 * available));
    let begin = 0;
    parts.forEach((bytes, part) => {
      place(this.segments[part], begin, begin + bytes, scale);
      begin += bytes;
    });
    place(this.taken, available, scale, scale);
    place(this.limit, available, available, scale);
    this.limit.hidden = available >= scale;
    this.bar.classList.toggle('uml-over', begin > available);
    this.node.classList.toggle('uml-cut', available > scale);
    this.bar.title = available > scale ? `The bar ends at ${sizeText(scale)}` : '';
    [...parts, others, free].forEach((bytes, part) => this.figure(part, bytes));
    const told = this.figures.filter(({ item }) => !item.hidden).map(({ name, figure }) => `${name} ${figure.textContent}`);
    this.bar.setAttribute('aria-label', `Memory: ${told.join(', ')}`);
  }

  figure(part, bytes) {
    this.figures[part].item.hidden = !bytes && part !== PARTS.length + 1;
    this.figures[part].figure.textContent = sizeText(bytes || 0);
  }
}

function place(node, begin, end, scale) {
  node.style.left = `${(100 * Math.min(begin, scale)) / scale}%`;
  node.style.width = `${(100 * Math.max(0, Math.min(end, scale) - Math.min(begin, scale))) / scale}%`;
}
