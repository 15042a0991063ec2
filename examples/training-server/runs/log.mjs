// The log of a run: lines that people read.

import { typeOf } from './run.mjs';

/** @import { Run } from './run.mjs' */

const list = (/** @type {Record<string, unknown>} */ values) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(', ');

/** Events that have a line; numbers of steps and progress have none. @type {Record<string, (event: any) => string>} */
const texts = {
  state: ({ state, code, reason }) => [state, code, reason].filter(Boolean).join(': '),
  start: ({ from }) => (from > 0 ? `resumed from step ${from}` : 'begins at step 0'),
  checkpoint: ({ step, bytes, loss }) =>
    `checkpoint of step ${step}, ${bytes} bytes${loss === undefined || loss === null ? '' : `, loss ${loss}`}`,
  warning: ({ text }) => `warning: ${text}`,
  change: ({ request, values }) => `change ${request} is asked for: ${list(values)}`,
  applied: ({ request, step }) => `change ${request} holds after step ${step}`,
  result: ({ result }) => `result: ${list(result)}`,
};

/** @param {string} type @param {any} event */
function lineOf(type, event) {
  // A text of several lines stays one event: what comes in may hold anything.
  const text = texts[type](event).replaceAll(/\p{Cc}/gu, ' ');
  return `${new Date(event.time).toISOString()} ${text}`;
}

/** The last lines of a run's log. @param {Run} run @param {number} count */
export async function logOf(run, count) {
  /** @type {string[]} */
  const found = [];
  for await (const lines of run.after(0)) {
    for (const { text } of lines) {
      const type = typeOf(text);
      if (Object.hasOwn(texts, type)) found.push(lineOf(type, JSON.parse(text)));
    }
    if (found.length > 2 * count) found.splice(0, found.length - count);
  }
  return found.slice(-count);
}
