import { Problem } from '../problem.mjs';
import { beginLong } from './long-answer.mjs';

/**
 * Gives a client the events after the last one that it has seen: its `Last-Event-ID`, or `after` in the query.
 *
 * @param {import('hono').Context<{ Bindings: import('@hono/node-server').HttpBindings }>} c
 * @param {import('./stream.mjs').Streams} streams
 * @param {import('../runs/run.mjs').Run} [run]
 */
export function openStream(c, streams, run) {
  const seen = c.req.header('last-event-id') ?? c.req.query('after');
  if (seen !== undefined && !/^\d{1,15}$/.test(seen))
    throw new Problem('ERR_ARGUMENT', 'Last-Event-ID must be the id of an event');
  beginLong(c, {});
  if (streams.isFull)
    throw new Problem('ERR_LIMIT', `${streams.limits.clients} clients listen already`, { 'Retry-After': '5' });
  streams.open(c.env.outgoing, { after: seen === undefined ? undefined : Number(seen), ...(run ? { run } : {}) });
}
