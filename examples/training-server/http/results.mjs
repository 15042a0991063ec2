import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { whole } from '../jobs/fields.mjs';
import { Problem } from '../problem.mjs';
import { logOf } from '../runs/log.mjs';
import { checkpointFolder } from '../work/checkpoint.mjs';
import { columns, csvOf, curvesOf, jsonlOf } from './curves.mjs';
import { readQuery } from './jobs.mjs';
import { beginLong, whenGone } from './long-answer.mjs';
import { openStream } from './open-stream.mjs';
import { rangeOf } from './range.mjs';

/** @import { Server } from './app.mjs' */
/** @import { Fields } from '../jobs/fields.mjs' */

const most = Number.MAX_SAFE_INTEGER;
/** @type {Fields} */
export const curveFields = {
  from: whole(0, most, 0),
  to: whole(0, most, most),
  points: whole(4, 10_000, 1000),
  keys: {
    default: 'loss',
    fits: (value) =>
      typeof value === 'string' && value.split(',').every((key) => columns.includes(/** @type {any} */ (key))),
    must: `be some of ${columns.join(',')}`,
    schema: { type: 'string' },
  },
};

/** @type {Fields} */
export const logFields = { lines: whole(1, 10_000, 200) };

/** The results of runs: curves, events, logs, checkpoints. @param {Server} server */
export function resultRoutes({ store, streams, limits }) {
  /** @type {Hono<{ Bindings: import('@hono/node-server').HttpBindings }>} */
  const app = new Hono();
  /** Curves and logs are read a few at a time: each goes through a file. */
  let reading = 0;
  /** @template T @param {() => Promise<T>} read @returns {Promise<T>} */
  const inTurn = async (read) => {
    if (reading >= limits.curves)
      throw new Problem('ERR_LIMIT', `${limits.curves} curves and logs are being read`, { 'Retry-After': '1' });
    reading += 1;
    try {
      return await read();
    } finally {
      reading -= 1;
    }
  };
  /** Files that are sent as fast as clients take them. */
  let sending = 0;
  /** @param {import('hono').Context<{ Bindings: import('@hono/node-server').HttpBindings }>} c */
  const beginFile = (c) => {
    beginLong(c, limits);
    if (sending >= limits.files)
      throw new Problem('ERR_LIMIT', `${limits.files} files are being sent`, { 'Retry-After': '1' });
    sending += 1;
    whenGone(c.env.outgoing, () => {
      sending -= 1;
    });
  };

  app.get('/:id/metrics', async (c) => {
    const run = store.run(c.req.param('id'));
    const { keys, ...options } = readQuery(c.req.query(), curveFields);
    const names = [...new Set(keys.split(','))];
    return inTurn(async () => {
      // Events up to this one are in the answer; a client goes on after it.
      const { lastSeq } = run.summary;
      const found = await curvesOf(run, { .../** @type {any} */ (options), keys: names });
      return c.json({ id: run.id, lastEvent: lastSeq, ...found });
    });
  });

  app.get('/:id/log', async (c) => {
    const run = store.run(c.req.param('id'));
    const { lines } = readQuery(c.req.query(), logFields);
    const found = await inTurn(() => logOf(run, /** @type {number} */ (lines)));
    return c.text(found.map((line) => `${line}\n`).join(''));
  });

  for (const [ending, linesOf, type] of /** @type {const} */ ([
    ['csv', csvOf, 'text/csv; charset=utf-8'],
    ['jsonl', jsonlOf, 'application/jsonl; charset=utf-8'],
  ]))
    app.get(`/:id/metrics.${ending}`, (c) => {
      const run = store.run(c.req.param('id'));
      beginFile(c);
      const body = Readable.from(linesOf(run));
      whenGone(c.env.outgoing, () => body.destroy());
      return c.body(/** @type {any} */ (Readable.toWeb(body)), 200, { 'Content-Type': type });
    });

  app.get('/:id/events', (c) => {
    const run = store.run(c.req.param('id'));
    openStream(c, streams, run);
    return RESPONSE_ALREADY_SENT;
  });

  app.get('/:id/checkpoints', (c) => {
    const { id, summary } = store.run(c.req.param('id'));
    return c.json({
      checkpoints: summary.checkpoints.map(({ step, bytes }) => ({
        step,
        bytes,
        download: `/jobs/${id}/checkpoints/${step}/download`,
      })),
    });
  });

  app.get('/:id/checkpoints/:step/download', async (c) => {
    const run = store.run(c.req.param('id'));
    const saved = run.summary.checkpoints.find(({ step }) => `${step}` === c.req.param('step'));
    if (!saved) throw new Problem('ERR_NOT_FOUND', 'there is no checkpoint of that step');
    const file = path.join(checkpointFolder(run.folder, saved.step), 'model.safetensors');
    const { size } = await stat(file);
    const range = rangeOf(c.req.header('range'), size);
    const { start, end } = range ?? { start: 0, end: size - 1 };
    beginFile(c);
    const body = createReadStream(file, { start, end });
    whenGone(c.env.outgoing, () => body.destroy());
    return c.body(/** @type {any} */ (Readable.toWeb(body)), range ? 206 : 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': `${end - start + 1}`,
      'Content-Disposition': `attachment; filename="${run.id}-${saved.step}.safetensors"`,
      'Accept-Ranges': 'bytes',
      ...(range ? { 'Content-Range': `bytes ${start}-${end}/${size}` } : {}),
    });
  });
  return app;
}
