/** Lengths of context for a slider: sixteen from each power of two to the next, as multiples of 256 tokens. */

const SMALLEST = 256;
const STEPS = 16;

/** In tokens, the shortest first, `longest` last. */
export function contextSteps(longest: number): number[] {
  const lengths = new Set<number>();
  for (let step = 0; ; step++) {
    const length = Math.ceil(2 ** (step / STEPS)) * SMALLEST;
    if (length >= longest) {
      return [...lengths, longest];
    }
    lengths.add(length);
  }
}

/** The place of these tokens among the steps, or of the next longer one. */
export function stepOf(steps: readonly number[], tokens: number): number {
  const place = steps.findIndex(step => step >= tokens);
  return place < 0 ? steps.length - 1 : place;
}
