// How jobs ended: a line each, and the end of what the failed ones printed, for a reader who sees the last lines of a long run
// only.
import { readFileSync } from 'node:fs';

const linesOfFailed = 60;
const columns = 400;

export const time = (seconds) => `${Math.round(seconds)} s`;
export const lineOf = ({ job, passed, status, seconds, cpu }) =>
  `=== ${job.name}: ${passed ? 'passed' : `FAILED (${status})`} in ${time(seconds)}, ${time(cpu)} of processor time`;

function endOf({ job, log }) {
  if (!log) return [];
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-linesOfFailed);
  return [`--- the end of ${job.name}`, ...lines.map((line) => line.slice(0, columns))];
}

/** Lines of all results (scripts/jobs/queue.mjs), those of failed jobs last. */
export function summaryOf(results) {
  const failed = results.filter(({ passed }) => !passed);
  return [...results.filter(({ passed }) => passed), ...failed].map(lineOf).concat(failed.flatMap(endOf));
}
