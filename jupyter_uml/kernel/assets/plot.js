// A figure over time, small enough for a line of a panel: an area under a line, the newest value beside its name.
// Needs elements.js and figures.js.

const SHORTEST_SPAN = 20; // seconds: the first points do not fill a plot
const GAP = 10; // seconds without a point, over which no line is drawn
const LONE = 1.5; // length of the line that stands for a single point

// Parted where nothing is known for a while.
function stretches(points) {
  const found = [];
  points.forEach((point, n) => {
    if (n && point[0] - points[n - 1][0] <= GAP) {
      found.at(-1).push(point);
    } else {
      found.push([point]);
    }
  });
  return found;
}

class Plot {
  // `format` makes words of a value. At most the newest `span` seconds are shown.
  constructor(parent, { name, format, span = 300, className = '' }) {
    Object.assign(this, { name, format, span });
    this.node = element('figure', `uml-plot ${className}`.trim(), parent);
    const caption = element('figcaption', '', this.node);
    element('span', 'uml-label', caption).textContent = name;
    this.newest = element('span', 'uml-figure', caption);
    this.svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.svg.setAttribute('viewBox', '0 0 100 40');
    this.svg.setAttribute('preserveAspectRatio', 'none');
    this.svg.setAttribute('role', 'img');
    this.node.append(this.svg);
    this.show([]);
  }

  path(tag, points) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    node.setAttribute('vector-effect', 'non-scaling-stroke');
    node.setAttribute('points', points.map(point => point.map(x => x.toFixed(2)).join(',')).join(' '));
    return node;
  }

  // Points are [seconds since 1970, value], oldest first.
  show(points) {
    const now = points.at(-1)?.[0] ?? 0;
    const shown = points.filter(([time]) => time >= now - this.span);
    const top = Math.max(...shown.map(([, value]) => value), 0);
    const width = Math.max(SHORTEST_SPAN, now - (shown[0]?.[0] ?? now));
    const at = ([time, value]) => [100 - (100 * (now - time)) / width, 39 - (top ? (36 * value) / top : 0)];
    this.svg.replaceChildren(...stretches(shown).flatMap(stretch => {
      const line = stretch.map(at);
      const [[begin, height], [end]] = [line[0], line.at(-1)];
      if (line.length === 1) {
        line.unshift([begin - LONE, height]);
      }
      return [this.path('polygon', [[line[0][0], 40], ...line, [end, 40]]), this.path('polyline', line)];
    }));
    this.say(shown, top);
  }

  say(shown, top) {
    const newest = shown.length ? this.format(shown.at(-1)[1]) : '';
    this.newest.textContent = newest;
    const past = shown.length ? durationText(shown.at(-1)[0] - shown[0][0]) : '';
    this.svg.setAttribute('aria-label', shown.length
      ? `${this.name}: ${newest} now, highest ${this.format(top)}, over the last ${past}`
      : `${this.name}: nothing yet`);
  }
}
