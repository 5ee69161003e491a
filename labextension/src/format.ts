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

export function rate(tokensPerSecond: number): string {
  const figure = tokensPerSecond < 10 ? tokensPerSecond.toFixed(1) : count(Math.round(tokensPerSecond));
  return `${figure}${NBSP}tokens/s`;
}

export function plural(value: number, noun: string): string {
  return `${count(value)}${NBSP}${noun}${value === 1 ? '' : 's'}`;
}
