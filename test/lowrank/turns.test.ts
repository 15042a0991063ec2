// Devices: cpu
import { describe, expect, it } from 'vitest';
import { byRows } from '../../lib/core/entries.ts';
import type { Steps } from '../../lib/core/turns.ts';
import { byLength, marked, shortLines } from '../../lib/lowrank/completion/lines.ts';

function counted<T>(steps: Steps<T>): { yields: number; value: T } {
  for (let yields = 0; ; ++yields) {
    const step = steps.next();
    if (step.done) return { yields, value: step.value };
  }
}

/** Entries or lines of some work between two turns that others may have. */
const pause = 1 << 14;

describe('work on entries and lines', () => {
  it('has turns by entries, not by rows, where it looks for those that stand twice', () => {
    const columns = 1 << 16;
    const size = 4 * columns;
    const rows = Int32Array.from({ length: size }, (_, e) => e & 3);
    const cols = rows.map((_, e) => columns - 1 - (e >> 2));
    const { yields, value } = counted(byRows('here', 'places', { rows, cols, shape: [4, columns] }, cols));
    // Four passes that sort, one that looks for pairs.
    expect(yields).toBeGreaterThanOrEqual(5 * (size / pause));
    expect(value.starts).toEqual(Int32Array.of(0, columns, 2 * columns, 3 * columns, size));
  });

  it('has turns by lines', () => {
    const lines = 4 * pause;
    const places = Int32Array.from({ length: lines + 1 }, (_, line) => Math.min(line, lines - 2));
    const short = counted(shortLines(places, 1));
    expect(short.value).toEqual(Int32Array.of(lines - 2, lines - 1));
    const lengths = counted(byLength(places, (length) => length));
    expect(lengths.value.subarray(-3)).toEqual(Float64Array.of(1, 0, 0));
    const marks = counted(marked(Int32Array.from(lengths.value)));
    expect(marks.value).toHaveLength(lines - 2);
    for (const { yields } of [short, lengths, marks]) expect(yields).toBe(4);
  });
});
