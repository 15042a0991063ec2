// docs/experiments/total-variation.md, from recorded runs.
import { drawLines } from '../lines.mjs';
import { markdown, origin, percent } from '../parts.mjs';
import { inEach, seen } from '../verdicts.mjs';
import { side } from './picture.mjs';
import { bounds, mostWeight, nu, tiles } from './problem.mjs';
import { deviation, sizes, tried } from './run.mjs';

/** @import { Way } from './run.mjs' */

/** Seeds 1 to 3 are of the made picture, the others of a photograph each. */
export const seeds = [1, 2, 3, 4, 5, 6];
/** Beyond the least value of a seed that was seen, what counts as at the end. */
const near = 0.01;
export const all = /** @type {Way[]} */ (Object.keys(tried)).flatMap((way) => tried[way].map((eps) => ({ way, eps })));
const nameOf = (/** @type {{ way: Way, eps: number }} */ { way, eps }) =>
  way === 'fixed'
    ? `${eps} throughout`
    : way === 'certified'
      ? `MAID from ${eps}`
      : `MAID from ${eps}, constants estimated`;

/** @param {readonly any[]} runs @param {{ way: Way, eps: number }} one @returns {any[]} */
const of = (runs, { way, eps }) => runs.filter((run) => run.way === way && run.eps === eps);

/** The relative excess of a run's value over the least of its seed. @param {readonly any[]} runs @param {any} run */
export const above = (runs, run) => run.value / Math.min(...runs.filter(({ seed }) => seed === run.seed).map(({ value }) => value)) - 1; // biome-ignore format: one line

/** Gradients of the lower problem until the value is near the least of the seed. @param {readonly any[]} runs @param {any} run @returns {number} Infinity: never */
export function workOf(runs, run) {
  const least = Math.min(...runs.filter(({ seed }) => seed === run.seed).map(({ value }) => value));
  if (above(runs, run) > near) return Infinity;
  const found = run.curve.find((/** @type {number[]} */ [, value]) => value <= (1 + near) * least);
  return found ? found[0] : run.lowerCalls;
}

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const certified = runs.filter(({ way }) => way === 'certified');
  const fixed = tried.fixed.map((eps) => of(runs, { way: 'fixed', eps }));
  const best = seeds.map((_, i) => Math.min(...fixed.map((own) => workOf(runs, own[i]))));
  const cheaper = (/** @type {Way} */ way) => {
    const pairs = tried[way].flatMap((eps) => of(runs, { way, eps }).map((run, i) => [workOf(runs, run), best[i]]));
    return inEach(pairs, ([own, other]) => own < other, ([own, other]) => own > other); // biome-ignore format: one line
  };
  return {
    holds: seen(certified.map((run) => run.certified && run.isWithin && run.falls && Math.abs(run.length - run.gradNorm) <= run.error)), // biome-ignore format: one line
    robust: seen(runs.filter(({ way }) => way !== 'fixed').map((run) => above(runs, run) <= near)),
    stalls: `${fixed.filter((own) => own.some((run) => above(runs, run) > near)).length} of ${fixed.length}`,
    cheaper: cheaper('certified'),
    estimated: cheaper('estimated'),
  };
}

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const verdicts = judge(runs);
  const rows = all.map((one) => {
    const own = of(runs, one);
    const each = (/** @type {(run: any) => string} */ told) => own.map(told).join(', ');
    const work = (/** @type {any} */ run) => (workOf(runs, run) < Infinity ? `${workOf(runs, run)}` : 'never');
    return [nameOf(one), each(({ value }) => value.toFixed(3)), each(work), each(({ lowerCalls }) => `${lowerCalls}`), each(({ cgCalls }) => `${cgCalls}`), [...new Set(own.map(({ status }) => `\`${status}\``))].join(', ')]; // biome-ignore format: one line
  });
  const [{ weights, error, length, gradNorm }] = of(runs, all[0]);
  const squares = Array.from({ length: tiles }, (_, i) => weights.slice(i * tiles, (i + 1) * tiles).map((/** @type {number} */ w) => w.toFixed(3))); // biome-ignore format: one line
  return `${[
    '# Weights of total variation',
    `${origin('total-variation')} The ${effort} of a busy machine.`,
    `A picture of ${side} × ${side} numbers from 0 to 1 with noise of ${deviation}: a made one, with a slope, a disc, a flat corner and a corner of fine detail (seeds 1, 2 and 3), ` +
      'and a part each of three photographs, of the Alps, of boats and from an airplane (seeds 4, 5 and 6). ' +
      `It is denoised by total variation, smoothed by ν = ${nu}, with a weight for each of ${tiles ** 2} tiles (*w* = e^θ); MAID finds the weights for which the result is nearest to the clean picture, ½ |u − clean|², from w = e⁻³ on. ` +
      `With the constants of the problem (B ${bounds.B.toFixed(0)}, LB ${bounds.LB.toFixed(0)}, LAinv ${bounds.LAinv.toFixed(0)}, for weights up to ${mostWeight}) its gradients have bounds; with constants that are estimated they have none. *Throughout*: accuracies stay. ` +
      `A run ends with a gradient of 0.01, or after ${sizes.full.maxLower.toLocaleString('en')} gradients of the lower problem. Values at the end are by a solution of an accuracy of 1e-7.`,
    markdown(['accuracy', `value at the end, seeds ${seeds.join(', ')}`, `gradients of the lower problem until ${percent(near)} above the least`, 'until the end', 'iterations of conjugate gradients', 'end'], rows), // biome-ignore format: one line
    '![Values by gradients of the lower problem](../images/experiment-total-variation.png)',
    'The picture: seed 1.',
    `The weights of *${nameOf(all[0])}*, seed 1, by tiles; where the detail is, below on the right, they are least:`,
    markdown(Array(tiles).fill(' '), squares),
    '## Verdicts',
    `**The certificate holds: *${verdicts.holds}*.** The rule: all weights stay where the constants hold, values fall in each step, and the length of the gradient at the end, ${gradNorm.toExponential(2)} with seed 1, is within its bound of the true one, ${length.toExponential(2)} (bound ${error.toExponential(1)}), in each run with given constants.`,
    `**The first accuracy does not matter: *${verdicts.robust}*.** The rule: each run of MAID ends within ${percent(near)} of the least value of its seed.`,
    `**Accuracies that stay end too early: *${verdicts.stalls}* of those that were tried.** The rule: a run ends more than ${percent(near)} above the least value, at some seed.`,
    `**MAID needs fewer gradients than the best accuracy that stays: *${verdicts.cheaper}* with a certificate, *${verdicts.estimated}* without.** The rule: until the value is ${percent(near)} above the least, against the best of the accuracies for each seed, which nobody knows beforehand; refuted, if each run needs more. Bounds that hold for certain are far above the true errors, and ask for more accurate solutions.`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export function draw(runs, folder) {
  const shown = [{ way: 'certified', eps: 1 }, { way: 'estimated', eps: 1 }, { way: 'fixed', eps: 1e-2 }, { way: 'fixed', eps: 1e-4 }]; // biome-ignore format: one line
  const lines = Object.fromEntries(shown.map((one) => [nameOf(/** @type {any} */ (one)), of(runs, /** @type {any} */ (one))[0].curve])); // biome-ignore format: one line
  return drawLines([{ title: 'Distance to the clean picture', x: 'Gradients of the lower problem', y: 'Value', lines }], { folder, name: 'experiment-total-variation', width: 420 }); // biome-ignore format: one line
}
