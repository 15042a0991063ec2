import { Problem } from '../problem.mjs';

/**
 * Begins an answer that takes long, and holds something of the server meanwhile. Only the one who is served on a
 * connection gets it: an answer that waits behind another one has no socket, and would never hear that its client left.
 *
 * @param {import('hono').Context<{ Bindings: import('@hono/node-server').HttpBindings }>} c
 * @param {{ drainTime?: number }} limits milliseconds in which the client must take some of it
 */
export function beginLong(c, { drainTime }) {
  const { incoming, outgoing } = c.env;
  // Nobody would read what a HEAD opens.
  if (c.req.method !== 'GET') throw new Problem('ERR_METHOD', 'this is only for GET', { Allow: 'GET' });
  // Pages from elsewhere need no CORS to open an answer and let it wait.
  if (c.req.header('sec-fetch-site') === 'cross-site')
    throw new Problem('ERR_ORIGIN', 'requests of pages from elsewhere are refused');
  if (!outgoing.socket || outgoing.socket.destroyed)
    throw new Problem('ERR_HTTP', 'this must be asked for when the answers before it have come');
  if (drainTime !== undefined) outgoing.setTimeout(drainTime, () => incoming.socket.destroy());
}

/**
 * Calls back once when an answer is over, or its connection is.
 *
 * @param {import('node:http').ServerResponse} response
 * @param {() => void} gone
 */
export function whenGone(response, gone) {
  const { socket } = response.req;
  const over = () => {
    response.off('close', over);
    socket.off('close', over);
    gone();
  };
  response.on('close', over);
  socket.on('close', over);
}
