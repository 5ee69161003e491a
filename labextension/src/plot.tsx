/** A figure over time, as an area under a line. */

export interface IPoint {
  /** Seconds. */
  time: number;
  value: number;
}

interface IProps {
  /** What it is of, for screen readers: `Memory of demo`. */
  name: string;
  /** The oldest first. */
  points: readonly IPoint[];
  /** Seconds that are shown, up to the newest point. */
  span: number;
  format: (value: number) => string;
}

const WIDTH = 120;
const HEIGHT = 40;
/** Room above the highest point, so that it does not look cut off. */
const HEAD = 3;
/** Length of the line that stands for a single point. */
const LONE = 2;
/** Seconds without a point over which no line is drawn. */
const GAP = 10;

export function Plot({ name, points, span, format }: IProps) {
  const end = points.at(-1)?.time ?? 0;
  const shown = points.filter(({ time }) => time >= end - span);
  const top = Math.max(0, ...shown.map(point => point.value));
  const place = ({ time, value }: IPoint): [number, number] => [
    WIDTH * (1 - (end - time) / span),
    HEIGHT - (top > 0 ? (value / top) * (HEIGHT - HEAD) : 0)
  ];
  const label = words(name, shown, top, span, format);
  return (
    <svg className="jp-uml-Plot" role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
      {stretches(shown, span).map(stretch => {
        const line = drawn(stretch.map(place));
        return (
          <g key={stretch[0]!.time}>
            <polygon points={path([[line[0]![0], HEIGHT], ...line, [line.at(-1)![0], HEIGHT]])} />
            <polyline points={path(line)} />
          </g>
        );
      })}
    </svg>
  );
}

/** What is drawn as one line each: parted where nothing is known for a while. */
export function stretches(points: readonly IPoint[], span: number): IPoint[][] {
  const found: IPoint[][] = [];
  for (const point of points) {
    const last = found.at(-1)?.at(-1);
    if (last && point.time - last.time <= GAP) {
      found.at(-1)!.push(point);
    } else {
      found.push([point]);
    }
  }
  return found.map(stretch => thinned(stretch, span / WIDTH));
}

/** Of each column, so many seconds wide, the highest point. */
function thinned(points: readonly IPoint[], seconds: number): IPoint[] {
  const columns = new Map<number, IPoint>();
  for (const point of points) {
    const column = Math.floor(point.time / seconds);
    const highest = columns.get(column);
    if (!highest || point.value >= highest.value) {
      columns.set(column, point);
    }
  }
  return [...columns.values()];
}

/** A point alone would be no line. */
function drawn(line: [number, number][]): [number, number][] {
  const [x, y] = line[0]!;
  return line.length > 1 ? line : [[Math.max(0, x - LONE), y], [Math.max(LONE, x), y]];
}

function path(points: readonly [number, number][]): string {
  return points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
}

function words(name: string, shown: readonly IPoint[], top: number, span: number, format: IProps['format']): string {
  const newest = shown.at(-1);
  if (!newest) {
    return `${name}: nothing known yet`;
  }
  const minutes = Math.max(1, Math.round(span / 60));
  const over = minutes === 1 ? 'the last minute' : `the last ${minutes} minutes`;
  return `${name}: now ${format(newest.value)}, highest ${format(top)}, over ${over}`;
}
