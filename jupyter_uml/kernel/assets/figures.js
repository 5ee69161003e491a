// Numbers in words, as display/figures.py has them.

function sizeText(count) {
  let unit = 0;
  while (Math.abs(count) >= 999.5 && unit < 4) {
    count /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || count >= 99.95 ? Math.round(count) : Number(count.toPrecision(3));
  return `${digits} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

function rateText(tokensPerSecond) {
  return `${tokensPerSecond >= 10 || !tokensPerSecond ? Math.round(tokensPerSecond) : tokensPerSecond.toFixed(1)} tokens/s`;
}

function durationText(seconds) {
  if (seconds < 99.5) {
    return `${Math.max(0, Math.round(seconds))} s`;
  }
  return seconds < 99.5 * 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function countText(value) {
  return value.toLocaleString('en-US');
}
