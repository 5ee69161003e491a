/** Figures as people read them. A no-break space keeps the unit on the figure's line. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const NBSP = '\u00a0';

/** Bytes with three digits at most before and one after the point: 16.2 MiB. */
export function bytes(value: number): string {
  let unit = 0;
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit > 0 && value < 99.95 ? value.toFixed(1) : Math.round(value)}${NBSP}${UNITS[unit]}`;
}

/** A share of 1, clamped: 43 %. Rounded down, so that 100 % means done. */
export function percent(share: number): number {
  return Math.floor(Math.min(1, Math.max(0, share)) * 100 + 1e-9);
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `8.03B`, `596M`: of parameters. */
export function magnitude(value: number): string {
  const units: readonly [number, string][] = [
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k']
  ];
  const [size, unit] = units.find(([size]) => value >= size) ?? [1, ''];
  return `${Number((value / size).toPrecision(3))}${unit}`;
}

/** Seconds as one unit, to the precision in which people plan. */
export function duration(seconds: number): string {
  if (seconds < 99.5) {
    return `${Math.max(0, Math.round(seconds))}${NBSP}s`;
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) {
    return `${minutes}${NBSP}min`;
  }
  const hours = Math.round(seconds / 3600);
  return hours < 72 ? `${hours}${NBSP}h` : plural(Math.round(seconds / 86_400), 'day');
}

export function rate(tokensPerSecond: number): string {
  const figure = tokensPerSecond < 10 ? tokensPerSecond.toFixed(1) : count(Math.round(tokensPerSecond));
  return `${figure}${NBSP}tokens/s`;
}

export function plural(value: number, noun: string): string {
  return `${count(value)}${NBSP}${noun}${value === 1 ? '' : 's'}`;
}
