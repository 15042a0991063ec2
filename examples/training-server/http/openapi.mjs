import { objectSchema } from '../jobs/fields.mjs';
import { changeable } from '../jobs/kinds.mjs';
import { problems } from '../problem.mjs';
import { jobSchema, listFields, states, wishes } from './jobs.mjs';
import { curveFields, logFields } from './results.mjs';

/** @import { Fields } from '../jobs/fields.mjs' */

const id = { name: 'id', in: 'path', required: true, schema: { type: 'string' } };
const lastEvent = {
  name: 'Last-Event-ID',
  in: 'header',
  schema: { type: 'integer', minimum: 0 },
  description: 'The last event that was seen: those after it follow',
};
const json = (/** @type {object} */ schema) => ({ 'application/json': { schema } });
const run = { $ref: '#/components/schemas/Run' };
const failure = {
  description: 'An error',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** @param {string} summary @param {Record<string, object>} responses @param {object} [more] */
const operation = (summary, responses, more = {}) => ({
  summary,
  responses: { ...responses, default: failure },
  ...more,
});
/** @param {string} description @param {object} [schema] @param {string} [type] */
const answer = (description, schema, type = 'application/json') => ({
  description,
  ...(schema ? { content: { [type]: { schema } } } : {}),
});
/** @param {Fields} fields */
const query = (fields) =>
  Object.entries(objectSchema(fields).properties).map(([name, schema]) => ({ name, in: 'query', schema }));
const text = { type: 'string' };
const any = { type: 'object' };

/** The description of the interface (OpenAPI 3.1). @param {string} version */
export function openapi(version) {
  const events = answer('Server-sent events', text, 'text/event-stream');
  return {
    openapi: '3.1.0',
    info: { title: 'Training server of orthokit', version },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Job: jobSchema,
        Change: objectSchema(changeable),
        Run: {
          type: 'object',
          required: ['id', 'kind', 'state', 'created', 'updated', 'params'],
          properties: {
            id: text,
            kind: text,
            state: { enum: states },
            reason: text,
            created: text,
            updated: text,
            params: any,
          },
        },
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'detail', 'code', 'instance'],
          properties: {
            ...Object.fromEntries(['type', 'title', 'detail', 'instance'].map((name) => [name, text])),
            status: { type: 'integer' },
            code: { enum: Object.keys(problems) },
          },
        },
      },
    },
    security: [{}, { token: [] }],
    paths: {
      '/jobs': {
        get: operation(
          'Runs, the newest first',
          { 200: answer('A page of runs', any) },
          { parameters: query(listFields) },
        ),
        post: operation(
          'Start a job',
          { 201: answer('It was taken, and is kept', run), 200: answer('It was taken before, with the same key', run) },
          {
            parameters: [{ name: 'Idempotency-Key', in: 'header', schema: text }],
            requestBody: { required: true, content: json({ $ref: '#/components/schemas/Job' }) },
          },
        ),
      },
      '/jobs/{id}': {
        parameters: [id],
        get: operation('A run', { 200: answer('The run', run) }),
        patch: operation(
          'Change rates from the next step on',
          { 202: answer('It is kept', run) },
          {
            requestBody: { required: true, content: json({ $ref: '#/components/schemas/Change' }) },
          },
        ),
        delete: operation('Delete a run that has ended', { 204: answer('It is gone') }),
      },
      ...Object.fromEntries(
        wishes.map((wish) => [
          `/jobs/{id}/${wish}`,
          { parameters: [id], post: operation(`Ask a run to ${wish}`, { 202: answer('It was told', run) }) },
        ]),
      ),
      '/jobs/{id}/metrics': {
        parameters: [id],
        get: operation(
          'Curves, thinned out',
          { 200: answer('Pairs of step and value by name; in nonFinite steps of NaN and infinities, as text', any) },
          { parameters: query(curveFields) },
        ),
      },
      '/jobs/{id}/metrics.csv': {
        parameters: [id],
        get: operation('All numbers', { 200: answer('A line a step', text, 'text/csv') }),
      },
      '/jobs/{id}/metrics.jsonl': {
        parameters: [id],
        get: operation('All numbers', { 200: answer('An object of JSON a step', text, 'application/jsonl') }),
      },
      '/jobs/{id}/events': {
        parameters: [id, lastEvent],
        get: operation('Events of a run, from its first on', { 200: events }),
      },
      '/jobs/{id}/log': {
        parameters: [id],
        get: operation(
          'The last lines of what happened to a run, without the numbers of its steps',
          { 200: answer('A line an event', text, 'text/plain') },
          { parameters: query(logFields) },
        ),
      },
      '/jobs/{id}/checkpoints': {
        parameters: [id],
        get: operation('Checkpoints that are kept', { 200: answer('Checkpoints', any) }),
      },
      '/jobs/{id}/checkpoints/{step}/download': {
        parameters: [id, { name: 'step', in: 'path', required: true, schema: { type: 'integer' } }],
        get: operation('Weights of a checkpoint, or a range of bytes', {
          200: answer('A safetensors file', text, 'application/octet-stream'),
          206: answer('A part of it', text, 'application/octet-stream'),
        }),
      },
      '/events': { parameters: [lastEvent], get: operation('Events of all runs, from now on', { 200: events }) },
      ...Object.fromEntries(
        Object.entries({
          '/devices': 'Devices, and memory',
          '/methods': 'Kinds of jobs and optimizers',
          '/version': 'Versions',
          '/errors': 'Codes of errors',
          '/healthz': 'Whether the process lives',
          '/readyz': 'Whether it takes jobs, and why not',
          '/openapi.json': 'This description',
        }).map(([path, summary]) => [path, { get: operation(summary, { 200: answer(summary, any) }) }]),
      ),
      '/metrics': {
        get: operation("Numbers of the server, in Prometheus' text form", {
          200: answer('Numbers', text, 'text/plain'),
        }),
      },
    },
  };
}
