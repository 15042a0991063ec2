/** Rows of numbers as codes between their ends, and what comes back of them. */
export function codedRows(
  x: ArrayLike<number>,
  columns: number,
  bits: 8 | 4,
): { codes: number[]; ranges: number[]; back: number[] } {
  const levels = 2 ** bits - 1;
  const [codes, ranges, back]: [number[], number[], number[]] = [[], [], []];
  for (let at = 0; at < x.length; at += columns) {
    const row = Array.from({ length: columns }, (_, j) => x[at + j]!);
    const [low, high] = [Math.min(...row), Math.max(...row)];
    const step = (high - low) / levels;
    const own = row.map((value) => (step > 0 ? Math.floor((value - low) / step + 0.5) : 0));
    ranges.push(low, high);
    back.push(...own.map((code) => low + code * step));
    if (bits === 8) codes.push(...own);
    else for (let j = 0; j < columns; j += 2) codes.push(16 * own[j]! + (own[j + 1] ?? 0));
  }
  return { codes, ranges, back };
}
