import { createServer, STATUS_CODES } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Problem } from '../problem.mjs';
import { appOf, failureOf, requestNumber } from './app.mjs';
import { checkDoor } from './guard.mjs';

/** @import { Server as HttpServer } from 'node:http' */
/** @import { Door } from './guard.mjs' */
/** @import { Server } from './app.mjs' */

/**
 * Listens, with limits on time, size and number of everything that comes in.
 *
 * @param {Server} server
 * @param {Door & { host: string, port: number }} where
 * @returns {Promise<HttpServer>}
 */
export async function listen(server, { host, port, ...door }) {
  const { limits, answers } = server;
  const answerOf = getRequestListener(appOf(server).fetch, { overrideGlobalObjects: false });
  const http = createServer(
    {
      maxHeaderSize: limits.headBytes,
      headersTimeout: limits.headTime,
      requestTimeout: limits.requestTime,
      connectionsCheckingInterval: Math.min(2000, limits.headTime),
      keepAliveTimeout: 5000,
      // Answers of a request without Host come from here, too.
      requireHostHeader: false,
    },
    (request, response) => {
      response.on('finish', () => answers.set(response.statusCode, (answers.get(response.statusCode) ?? 0) + 1));
      try {
        checkDoor(request, door);
        if (!isTarget(request.url)) throw new Problem('ERR_HTTP', 'the target of the request must be a path');
      } catch (error) {
        const { status, headers, body } = failureOf(error, requestNumber());
        response.writeHead(status, { ...headers, Connection: 'close' }).end(body);
        return;
      }
      void answerOf(request, response);
    },
  );
  http.maxHeadersCount = limits.headLines;
  http.maxRequestsPerSocket = limits.requestsPerSocket;
  http.maxConnections = limits.connections;
  http.on('clientError', (error, socket) => {
    if (!socket.writable) return socket.destroy();
    const late = setTimeout(() => socket.destroy(), limits.leaveTime);
    socket.once('close', () => clearTimeout(late));
    const isLate = /** @type {NodeJS.ErrnoException} */ (error).code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const { headers, body } = failureOf(
      new Problem('ERR_HTTP', isLate ? 'the request took too long' : 'the request cannot be read'),
      requestNumber(),
    );
    const status = isLate ? 408 : 400;
    answers.set(status, (answers.get(status) ?? 0) + 1);
    const lines = Object.entries({ ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`);
  });
  await new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, host, () => resolve(undefined));
  });
  return http;
}

/** @param {string | undefined} url */
const isTarget = (url) => url !== undefined && /^\/(?!\/)[\x21-\x7e]*$/.test(url) && url.length <= 4096;
