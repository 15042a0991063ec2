import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { Device } from 'orthokit';
import { kinds, optimizers } from '../jobs/kinds.mjs';
import { problems } from '../problem.mjs';
import { openStream } from './open-stream.mjs';
import { openapi } from './openapi.mjs';
import { prometheus } from './prometheus.mjs';

/** @import { Server } from './app.mjs' */

const { version } = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('orthokit/package.json'), 'utf8'));

/** The server's name, means and health. @param {Server} server */
export function aboutRoutes(server) {
  const { store, scheduler, streams } = server;
  /** @type {Hono<{ Bindings: import('@hono/node-server').HttpBindings }>} */
  const app = new Hono();
  app.get('/events', (c) => {
    openStream(c, streams);
    return RESPONSE_ALREADY_SENT;
  });
  app.get('/version', (c) => c.json({ name: 'orthokit', version, node: process.version }));
  app.get('/methods', (c) =>
    c.json({
      kinds: Object.fromEntries(Object.entries(kinds).map(([kind, { summary }]) => [kind, summary])),
      optimizers,
    }),
  );
  app.get('/devices', (c) =>
    c.json({
      devices: /** @type {const} */ (['cpu', 'cuda']).map((kind) => {
        const reason = Device.unavailable(kind);
        return {
          kind,
          available: reason === undefined,
          ...(reason === undefined ? {} : { reason: firstLine(reason) }),
        };
      }),
      running: scheduler.running,
      residentBytes: process.memoryUsage.rss(),
    }),
  );
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const reason = scheduler.isClosing ? 'the server is about to end' : store.journal.problem;
    return reason === undefined ? c.json({ status: 'ok' }) : c.json({ status: 'not ready', reason }, 503);
  });
  app.get('/metrics', (c) =>
    c.body(prometheus(server), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );
  app.get('/openapi.json', (c) => c.json(openapi(version)));
  app.get('/errors', (c) =>
    c.json(Object.fromEntries(Object.entries(problems).map(([code, [status, title]]) => [code, { status, title }]))),
  );
  return app;
}

/** Reasons may name files of the machine. @param {string} text */
const firstLine = (text) => text.split('\n')[0].replaceAll(/(?:\/[^\s/:,'"]+){2,}/g, '…');
