// One turn of a ratio.
import { isMissing, turn } from '../peers/turns.mjs';

const rounds = '5';

/** Turns of a ratio by a build of orthokit_bench: its value, or why there is none; `machine`: what the bench says of it. */
export function measurer(bench) {
  const missing = new Map(); // programs that cannot race here
  return ({ bench: words, key, own, other }) => {
    if (words) {
      const line = turn([bench, ...words, '--threads', '1', '--rounds', rounds]);
      if (line.skipped) throw new Error(`${bench} ${words[0]}: ${line.skipped}`);
      return { value: line[`ratio_to_${key}`], machine: line };
    }
    const file = other[1];
    if (missing.has(file)) return { reason: missing.get(file) };
    const [ours, theirs] = [turn(own), turn(other)];
    if (isMissing(theirs)) missing.set(file, theirs.skipped);
    if (ours.skipped) throw new Error(`${own.slice(1).join(' ')}: ${ours.skipped}`);
    return theirs.skipped
      ? { reason: theirs.skipped }
      : { value: Number((ours.median_ms / theirs.median_ms).toPrecision(4)) };
  };
}
