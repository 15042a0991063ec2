// The sum of a run's events. The journal is the truth; this is read from it, and stands in the manifest once a run
// has ended, so that a start need not read all journals.

/**
 * @typedef {'queued' | 'running' | 'pausing' | 'paused' | 'cancelling' | 'done' | 'failed' | 'cancelled'} State
 *
 * @typedef {object} Change numbers that were asked for, and the step after which they hold
 * @property {number} request
 * @property {Record<string, number>} values
 * @property {number} [step]
 *
 * @typedef {object} Checkpoint
 * @property {number} step
 * @property {number} bytes
 * @property {import('./non-finite.mjs').Told} [loss] of that step's batch
 *
 * @typedef {object} Summary
 * @property {State} state
 * @property {string} [reason] why it is in that state
 * @property {string} [code] of a failure
 * @property {number} lastSeq
 * @property {number} step the last one whose numbers are in the journal
 * @property {Record<string, number | string>} last numbers of that step, `'NaN'` and infinities as text
 * @property {Checkpoint[]} checkpoints those that are kept, in order of their steps
 * @property {Change[]} changes
 * @property {number[]} starts steps after which it was started, the last ones
 * @property {number} attempts starts since something new was told
 * @property {Record<string, unknown>} [progress]
 * @property {Record<string, unknown>} [result]
 * @property {number} updated milliseconds since 1970
 */

/** The last checkpoints that are kept, beside the best one. */
const newest = 2;
/** Starts that are remembered. */
const mostStarts = 50;

/** @type {readonly State[]} */
export const ended = ['done', 'failed', 'cancelled'];

/** @returns {Summary} */
export const emptySummary = () => ({
  state: 'queued',
  lastSeq: 0,
  step: 0,
  last: {},
  checkpoints: [],
  changes: [],
  starts: [],
  attempts: 0,
  updated: 0,
});

/** The last ones, and that of the least loss, the first of equal ones. @param {Checkpoint[]} all @returns {Checkpoint[]} */
function keptOf(all) {
  const last = all.slice(-newest);
  /** @type {Checkpoint | undefined} */
  let best;
  for (const one of all)
    if (typeof one.loss === 'number' && !(best !== undefined && Number(best.loss) <= one.loss)) best = one;
  return best === undefined || last.includes(best) ? last : [best, ...last];
}

/** @type {Record<string, (summary: Summary, event: any) => void>} */
const rules = {
  state(summary, { state, reason, code }) {
    summary.state = state;
    summary.reason = reason;
    summary.code = code;
    if (state === 'paused') summary.attempts = 0;
  },
  start(summary, { from }) {
    summary.attempts += 1;
    summary.starts = [...summary.starts, from].slice(-mostStarts);
  },
  metrics(summary, { first, columns }) {
    const count = columns.loss.length;
    summary.step = first + count - 1;
    summary.attempts = 0;
    summary.last = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[count - 1]]));
  },
  checkpoint(summary, { step, bytes, loss }) {
    const others = summary.checkpoints.filter((other) => other.step !== step);
    summary.checkpoints = keptOf([...others, { step, bytes, loss }]);
    summary.attempts = 0;
    if (summary.state === 'running') delete summary.reason;
  },
  warning(summary, { text }) {
    summary.reason = text;
  },
  change({ changes }, { request, values }) {
    changes.push({ request, values });
  },
  applied({ changes }, { request, step }) {
    const change = changes.find((other) => other.request === request);
    if (change) change.step = step;
  },
  progress(summary, { progress }) {
    summary.progress = progress;
    summary.attempts = 0;
  },
  result(summary, { result }) {
    summary.result = result;
  },
};

/** @param {Summary} summary @param {import('./journal.mjs').Event} event */
export function follow(summary, event) {
  rules[event.type]?.(summary, event);
  summary.lastSeq = event.seq;
  summary.updated = event.time;
}
