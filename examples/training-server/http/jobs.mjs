import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { objectSchema, readFields, text, whole, word } from '../jobs/fields.mjs';
import { changeable, kinds, settled } from '../jobs/kinds.mjs';
import { Problem } from '../problem.mjs';
import { readJson } from './body.mjs';
import { view } from './view.mjs';

/** @import { Server } from './app.mjs' */
/** @import { Fields } from '../jobs/fields.mjs' */

export const states = ['queued', 'running', 'pausing', 'paused', 'cancelling', 'done', 'failed', 'cancelled'];
const keyPattern = /^[\x21-\x7e]{1,100}$/;

/** @type {Fields} */
export const listFields = {
  state: { ...word(states), optional: true },
  limit: whole(1, 1000, 100),
  cursor: { ...text(/^[0-9a-z-]{1,20}$/, 'be the cursor of an answer before'), optional: true },
};
/** Requests that may be made of a run by POST /jobs/:id/… */
export const wishes = /** @type {const} */ (['pause', 'resume', 'cancel', 'checkpoint']);

/** Values of a query, numbers as such. @param {Record<string, string>} query @param {Fields} fields */
export function readQuery(query, fields) {
  const given = Object.entries(query).map(([name, value]) => {
    const isNumber = Object.hasOwn(fields, name) && /number|integer/.test(String(fields[name].schema.type));
    return [name, isNumber && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value];
  });
  return readFields(Object.fromEntries(given), fields, 'query');
}

/** @param {Server} server */
export function jobRoutes({ store, scheduler, limits }) {
  const app = new Hono();
  /** Runs that are being made, by key: two requests at once make one. @type {Map<string, Promise<import('../runs/run.mjs').Run>>} */
  const making = new Map();

  app.post('/', async (c) => {
    const body = await readJson(c.req.raw, limits);
    const kind = /** @type {any} */ (body)?.kind;
    if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind))
      throw new Problem('ERR_ARGUMENT', `job: kind must be one of ${Object.keys(kinds).join(', ')}`);
    const { kind: _, ...given } = /** @type {Record<string, unknown>} */ (body);
    const params = settled(kind, readFields(given, kinds[kind].fields, kind), limits);
    const key = c.req.header('idempotency-key');
    if (key !== undefined && !keyPattern.test(key))
      throw new Problem('ERR_ARGUMENT', 'Idempotency-Key must be 1 to 100 visible ASCII characters');
    const before = key === undefined ? undefined : ((await making.get(key)) ?? store.byKey(key));
    if (before && !isSame(before.manifest, { kind, params }))
      throw new Problem('ERR_STATE', 'the Idempotency-Key was used for another job');
    if (before) return answer(before, 200);
    const made = scheduler.add(kind, params, key);
    if (key !== undefined) making.set(key, made);
    try {
      return answer(await made, 201);
    } finally {
      if (key !== undefined) making.delete(key);
    }

    /** @param {import('../runs/run.mjs').Run} run @param {200 | 201} status */
    function answer(run, status) {
      return c.json(view(run), status, { Location: `/jobs/${run.id}` });
    }
  });

  app.get('/', (c) => {
    const { state, limit, cursor } = readQuery(c.req.query(), listFields);
    // By id, as the cursor is: of two runs of one millisecond either may have been made first.
    const all = store.runs
      .filter((run) => state === undefined || run.summary.state === state)
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    const after = cursor === undefined ? 0 : all.findIndex((run) => run.id < cursor);
    const page = after < 0 ? [] : all.slice(after, after + limit);
    const hasMore = after >= 0 && after + limit < all.length;
    return c.json({ runs: page.map(view), ...(hasMore ? { cursor: page[page.length - 1].id } : {}) });
  });

  app.get('/:id', (c) => c.json(view(store.run(c.req.param('id')))));

  for (const wish of wishes)
    app.post(`/:id/${wish}`, async (c) => {
      const run = store.run(c.req.param('id'));
      await scheduler[wish](run);
      return c.json(view(run), 202);
    });

  app.patch('/:id', async (c) => {
    const run = store.run(c.req.param('id'));
    const values = readFields(await readJson(c.req.raw, limits), changeable, 'change');
    if (Object.keys(values).length === 0)
      throw new Problem('ERR_ARGUMENT', `change: one of ${Object.keys(changeable).join(', ')} must be given`);
    await scheduler.change(run, values);
    return c.json(view(run), 202);
  });

  app.delete('/:id', async (c) => {
    await scheduler.remove(store.run(c.req.param('id')));
    return c.body(null, 204);
  });
  return app;
}

/** @param {{ kind: string, params: object }} a @param {{ kind: string, params: object }} b */
const isSame = (a, b) => digest(a) === digest(b);
/** @param {{ kind: string, params: object }} job */
const digest = ({ kind, params }) =>
  createHash('sha256')
    .update(JSON.stringify([kind, Object.entries(params).sort()]))
    .digest('hex');

export const jobSchema = {
  oneOf: Object.entries(kinds).map(([kind, { summary, fields }]) => {
    const { required, properties, ...schema } = objectSchema(fields);
    return {
      ...schema,
      title: kind,
      description: `${kind} ${summary}.`,
      required: ['kind', ...required],
      properties: { kind: { const: kind }, ...properties },
    };
  }),
};
