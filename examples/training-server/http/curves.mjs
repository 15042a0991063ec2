import { Decimated } from '../runs/decimate.mjs';
import { isNonFinite } from '../runs/non-finite.mjs';

/** @import { Run } from '../runs/run.mjs' */

export const columns = /** @type {const} */ ([
  'loss',
  'gradNorm',
  'updateRms',
  'lr',
  'ms',
  'memory',
  'brake',
  'seconds',
]);

/**
 * Curves of a run over its steps, thinned out to so many points each, and beside them the first steps, as many at most,
 * whose number is NaN or infinite.
 *
 * @param {Run} run
 * @param {{ from: number, to: number, points: number, keys: readonly string[] }} options
 */
export async function curvesOf(run, { from, to, points, keys }) {
  const curves = Object.fromEntries(keys.map((key) => [key, new Decimated(points)]));
  /** @type {Record<string, [step: number, value: string][]>} */
  const nonFinite = Object.fromEntries(keys.map((key) => [key, []]));
  for await (const reports of run.metrics(from))
    for (const { first, columns: values } of reports) {
      if (first > to) break;
      for (const key of keys)
        for (const [i, value] of (values[key] ?? []).entries())
          if (first + i >= from && first + i <= to) {
            if (typeof value !== 'string') curves[key].add(first + i, value);
            else if (isNonFinite(value) && nonFinite[key].length < points) nonFinite[key].push([first + i, value]);
          }
    }
  const told = Object.entries(nonFinite).filter(([, steps]) => steps.length > 0);
  return {
    curves: Object.fromEntries(keys.map((key) => [key, curves[key].points()])),
    nonFinite: Object.fromEntries(told),
  };
}

/** All numbers of a run as CSV. @param {Run} run */
export async function* csvOf(run) {
  yield `step,${columns.join(',')}\n`;
  yield* linesOf(run, (step, numberOf) => [step, ...columns.map((key) => numberOf(key) ?? '')].join(','));
}

/** The same as an object of JSON a step, without what it does not have. @param {Run} run */
export const jsonlOf = (run) =>
  linesOf(run, (step, numberOf) =>
    JSON.stringify({ step, ...Object.fromEntries(columns.map((key) => [key, numberOf(key)])) }),
  );

/**
 * A line for each step, report by report.
 *
 * @param {Run} run
 * @param {(step: number, numberOf: (key: (typeof columns)[number]) => number | string | undefined) => string} lineOf
 */
async function* linesOf(run, lineOf) {
  for await (const reports of run.metrics(0)) {
    let text = '';
    for (const { first, columns: values } of reports)
      for (const i of values.loss.keys()) text += `${lineOf(first + i, (key) => values[key]?.[i] ?? undefined)}\n`;
    yield text;
  }
}
