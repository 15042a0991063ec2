import { monitorEventLoopDelay } from 'node:perf_hooks';

const lag = monitorEventLoopDelay({ resolution: 10 });
lag.enable();

/** Milliseconds that the event loop was late by, since the server listens. */
export const lagOf = (/** @type {number} */ percentile) => Math.max(0, lag.percentile(percentile) / 1e6 - 10);
export const worstLag = () => Math.max(0, lag.max / 1e6 - 10);
export const resetLag = () => lag.reset();

/**
 * The numbers of the server in Prometheus' text form.
 *
 * @param {object} of
 * @param {import('../runs/store.mjs').Store} of.store
 * @param {import('../jobs/scheduler.mjs').Scheduler} of.scheduler
 * @param {import('./stream.mjs').Streams} of.streams
 * @param {ReadonlyMap<number, number>} of.answers by status
 */
export function prometheus({ store, scheduler, streams, answers }) {
  const states = new Map();
  for (const { summary } of store.runs) states.set(summary.state, (states.get(summary.state) ?? 0) + 1);
  const memory = process.memoryUsage();
  return [
    metric(
      'runs',
      'gauge',
      'Runs by state',
      [...states].map(([state, count]) => [`{state="${state}"}`, count]),
    ),
    metric('jobs_running', 'gauge', 'Jobs that have a thread', scheduler.running),
    metric('jobs_queued', 'gauge', 'Jobs that wait for one', scheduler.queued),
    metric('events_total', 'counter', 'Events that were written to journals', store.journal.seq),
    metric(
      'journal_failures_total',
      'counter',
      'Writes to journals that failed, and were tried again',
      store.journal.failures,
    ),
    metric('stream_clients', 'gauge', 'Clients that listen to events', streams.size),
    metric('stream_sent_total', 'counter', 'Events that were sent to them', streams.sent),
    metric('stream_dropped_total', 'counter', 'Clients that did not take theirs', streams.dropped),
    metric(
      'answers_total',
      'counter',
      'Answers by status',
      [...answers].map(([status, count]) => [`{status="${status}"}`, count]),
    ),
    metric('resident_bytes', 'gauge', 'Memory of the process', memory.rss),
    metric('heap_bytes', 'gauge', "JavaScript's heap of the main thread", memory.heapUsed),
    metric('event_loop_lag_ms', 'gauge', 'Lateness of the event loop since the server listens', [
      ['{quantile="0.5"}', lagOf(50)],
      ['{quantile="0.99"}', lagOf(99)],
      ['{quantile="1"}', worstLag()],
    ]),
  ].join('');
}

/** @param {string} name @param {string} type @param {string} help @param {number | [string, number][]} values */
function metric(name, type, help, values) {
  const full = `orthokit_${name}`;
  const lines = (typeof values === 'number' ? [['', values]] : values).map(
    ([labels, value]) => `${full}${labels} ${value}`,
  );
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.map((line) => `${line}\n`).join('')}`;
}
