/** An entry of a plan, by row. */
export interface Entry {
  readonly row: number;
  readonly column: number;
  readonly value: number;
}

const powerBelow = (x: number): number => {
  let power = 2 ** Math.floor(Math.log2(x));
  if (power > x) power /= 2; // log2 may have been rounded up
  return 2 * power <= x ? 2 * power : power;
};

/** The threshold that a budget of dropped mass gives: entries count as the power of two above them. */
function thresholdOf(plan: Float64Array, delta: number, room: number): number {
  const share = delta / (4 * plan.length);
  const floor = share > 2 ** -1022 ? powerBelow(share) : 2 ** -1022;
  const positive = plan.filter((x) => x >= floor).sort();
  let dropped = delta / 4;
  let threshold = floor;
  for (let k = 0; k < positive.length; ) {
    threshold = powerBelow(positive[k]!);
    let end = k;
    while (end < positive.length && positive[end]! < 2 * threshold) end++;
    dropped += (end - k) * 2 * threshold;
    // Its entries are too many to drop, or the last ones; and few enough to keep.
    if ((dropped > delta || end === positive.length) && positive.length - k <= room) return threshold;
    threshold *= 2;
    k = end;
  }
  return threshold;
}

/** The entries that are kept, and the threshold. */
export function planSparsify(
  plan: Float64Array,
  columns: number,
  { delta = 0, threshold = 0, capacity }: { delta?: number; threshold?: number; capacity: number },
): { entries: Entry[]; threshold: number } {
  const rows = plan.length / columns;
  const least = threshold > 0 ? threshold : thresholdOf(plan, delta, Math.max(0, capacity - rows - columns));
  const kept = new Set<number>();
  for (const [k, x] of plan.entries()) if (x >= least) kept.add(k);
  const keepLargest = (places: number[]): void => {
    const best = places.reduce((a, b) => (plan[b]! > plan[a]! ? b : a));
    if (plan[best]! > 0) kept.add(best);
  };
  if (threshold === 0) {
    for (let i = 0; i < rows; i++) keepLargest(Array.from({ length: columns }, (_, j) => i * columns + j));
    for (let j = 0; j < columns; j++) keepLargest(Array.from({ length: rows }, (_, i) => i * columns + j));
  }
  const entries = [...kept]
    .sort((a, b) => a - b)
    .map((k) => ({ row: Math.floor(k / columns), column: k % columns, value: plan[k]! }));
  return { entries, threshold: least };
}
