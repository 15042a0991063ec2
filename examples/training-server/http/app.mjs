import { Hono } from 'hono';
import { log } from '../log.mjs';
import { Problem, problemBody, problems } from '../problem.mjs';
import { aboutRoutes } from './about.mjs';
import { jobRoutes } from './jobs.mjs';
import { pageRoutes } from './page.mjs';
import { resultRoutes } from './results.mjs';

/**
 * @typedef {object} Server what routes work with
 * @property {import('../runs/store.mjs').Store} store
 * @property {import('../jobs/scheduler.mjs').Scheduler} scheduler
 * @property {import('./stream.mjs').Streams} streams
 * @property {import('../limits.mjs').Limits} limits
 * @property {Map<number, number>} answers by status
 */

/** Codes of the system for a disk that does not take it. */
const diskCodes = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE'];

let requests = 0;
/** @returns {string} a number of a request, which answer and log have in common */
export const requestNumber = () => `${process.pid.toString(36)}-${(++requests).toString(36)}`;

/**
 * @param {unknown} error
 * @param {string} request its number
 * @returns {{ status: number, headers: Record<string, string>, body: string }}
 */
export function failureOf(error, request) {
  const isDisk = diskCodes.includes(String(/** @type {NodeJS.ErrnoException} */ (error)?.code));
  const problem =
    error instanceof Problem
      ? error
      : new Problem(isDisk ? 'ERR_IO' : 'ERR_INTERNAL', `the log has more under request ${request}`);
  if (problem !== error)
    log('a request failed', { request, error: /** @type {Error} */ (error)?.stack ?? String(error) });
  return {
    status: problems[problem.code][0],
    headers: { 'Content-Type': 'application/problem+json', 'X-Content-Type-Options': 'nosniff', ...problem.headers },
    body: problemBody(problem.code, problem.message, request),
  };
}

/** @param {Server} server */
export function appOf(server) {
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    c.res.headers.set('X-Content-Type-Options', 'nosniff');
    c.res.headers.set('Referrer-Policy', 'no-referrer');
    if (!c.res.headers.has('Cache-Control')) c.res.headers.set('Cache-Control', 'no-store');
  });
  const routes = [
    ['/jobs', jobRoutes(server)],
    ['/jobs', resultRoutes(server)],
    ['/', aboutRoutes(server)],
    ['/', pageRoutes()],
  ];
  for (const [place, part] of /** @type {[string, Hono][]} */ (routes)) app.route(place, part);
  app.notFound((c) => {
    const methods = methodsOf(app, c.req.path);
    throw methods.length > 0
      ? new Problem('ERR_METHOD', `${c.req.path.slice(0, 100)} takes ${methods.join(', ')}`, {
          Allow: methods.join(', '),
        })
      : new Problem('ERR_NOT_FOUND', 'there is no such place; /openapi.json has them all');
  });
  app.onError((error) => {
    const { status, headers, body } = failureOf(error, requestNumber());
    return new Response(body, { status, headers });
  });
  return app;
}

/** Methods of the routes that fit a path. @param {Hono} app @param {string} path */
function methodsOf(app, path) {
  const fits = (/** @type {string} */ route) =>
    new RegExp(`^${route.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+')}$`).test(path);
  const all = app.routes
    .filter(({ method, path: route }) => method !== 'ALL' && fits(route))
    .map(({ method }) => method);
  return [...new Set(all)];
}
