import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Hono } from 'hono';

const types = /** @type {Record<string, string>} */ ({
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
});

/** Only the page's own files and uPlot are loaded, and only this server is asked. */
const policy =
  "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** The page's files, read once: no path of a request reaches the disk. */
function files() {
  const page = path.join(import.meta.dirname, '..', 'page');
  const uplot = path.dirname(createRequire(import.meta.url).resolve('uplot'));
  const found = new Map([['/', path.join(page, 'index.html')]]);
  for (const name of readdirSync(page))
    if (Object.hasOwn(types, path.extname(name))) found.set(`/page/${name}`, path.join(page, name));
  for (const name of ['uPlot.esm.js', 'uPlot.min.css']) found.set(`/uplot/${name}`, path.join(uplot, name));
  return found;
}

export function pageRoutes() {
  const app = new Hono();
  for (const [place, file] of files()) {
    const body = readFileSync(file);
    const type = types[path.extname(file)];
    app.get(place, (c) =>
      c.body(body, 200, { 'Content-Type': type, 'Content-Security-Policy': policy, 'Cache-Control': 'no-cache' }),
    );
  }
  return app;
}
