// The verdict on a ratio against the recorded one: from the rounds of both, each of a process of its own.
import { median } from '../peers/turns.mjs';

/** The difference between processes of one build on a busy machine, whatever the recorded rounds say. */
const leastNoise = 0.1;
/** Twice the time is never noise. */
const mostNoise = 0.75;

const range = (values) => [Math.min(...values), Math.max(...values)];

/** The range of a ratio by its record: its middle, and how far from it other rounds may be. */
export function expected(recorded) {
  const [least, most] = range(recorded);
  const middle = median(recorded);
  return { middle, noise: Math.min(mostNoise, Math.max(leastNoise, (1.5 * (most - least)) / middle)) };
}

/**
 * `worse` and `better`: the median is beyond the noise, and no round is among the recorded ones; `suspicious`: the median
 * alone is beyond; `new`: nothing is recorded; `same`.
 */
export function judge(recorded, now) {
  if (recorded === undefined) return 'new';
  const { middle, noise } = expected(recorded);
  const [[least, most], [leastNow, mostNow]] = [range(recorded), range(now)];
  const ratio = median(now) / middle;
  if (ratio > 1 + noise) return leastNow > most ? 'worse' : 'suspicious';
  return ratio < 1 / (1 + noise) && mostNow < least ? 'better' : 'same';
}

const show = (value) => (value === undefined ? '' : value.toPrecision(3));

/** Lines of a table: name, recorded, now, noise, verdict. */
export function table(rows) {
  const cells = [
    ['ratio', 'recorded', 'now', 'noise', 'verdict'],
    ...rows.map(({ name, recorded, now, verdict, reason }) => {
      const known = recorded && expected(recorded);
      return [
        name,
        show(known?.middle),
        now.length > 0 ? `${show(median(now))} (${now.length})` : '',
        known ? `±${Math.round(100 * known.noise)} %` : '',
        reason ? `${verdict}: ${reason}` : verdict,
      ];
    }),
  ];
  const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells.map((row) =>
    row
      .map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}
