// docs/experiments/bilevel.md, from recorded runs.
import { drawLines } from '../lines.mjs';
import { markdown, mean, opening, percent } from '../parts.mjs';
import { byRanges, inEach } from '../verdicts.mjs';
import { rates, sizes, wrong } from './run.mjs';

/** @import { Way } from './run.mjs' */

export const seeds = [1, 2, 3];
/** The share of the wrong labels that must be found: more than twice what chance finds. */
const least = 0.65;

/** The runs of a way at the rate that finds most. @param {readonly any[]} runs with their settings @param {Way} way */
export function best(runs, way) {
  const of = (/** @type {number} */ rate) => runs.filter((run) => run.way === way && run.rate === rate);
  const found = rates[way].map((rate) => ({ rate, runs: of(rate) }));
  const score = (/** @type {{ runs: any[] }} */ one) => mean(one.runs.map((run) => run.found));
  return found.reduce((first, one) => (score(one) > score(first) ? one : first));
}

/** Verdicts by the page's rules. @param {readonly any[]} runs @returns {{ finds: string, helps: string, normalization: string }} */
export function judge(runs) {
  const [own, plain] = [best(runs, 'normalized').runs, best(runs, 'plain').runs];
  const by = (/** @type {(run: any) => boolean} */ isSeen) => inEach(own, isSeen);
  const range = (/** @type {readonly any[]} */ all) => all.map((run) => run.found);
  return {
    finds: by((run) => run.found >= least),
    helps: by((run) => run.after > Math.max(run.before, run.few)),
    normalization: byRanges(range(own), range(plain)),
  };
}

/** @param {readonly any[]} runs one a way, rate and seed @param {string} effort */
export function pageOf(runs, effort) {
  const { count, known, test, steps } = sizes.full;
  const { finds, helps, normalization } = judge(runs);
  const list = (/** @type {readonly any[]} */ of, /** @type {string} */ key) => of.map((run) => percent(run[key])).join(', '); // biome-ignore format: one line
  const rows = /** @type {readonly Way[]} */ (['normalized', 'plain']).map((way) => {
    const { rate, runs: own } = best(runs, way);
    const isEnd = rate === rates[way][0] || rate === rates[way].at(-1);
    return [way === 'normalized' ? 'BO-REP' : '`normalize: false`', `${rate}${isEnd ? ', an end' : ''}`, list(own, 'found'), list(own, 'before'), list(own, 'after'), list(own, 'clean'), list(own, 'few')]; // biome-ignore format: one line
  });
  const all = /** @type {readonly Way[]} */ (['normalized', 'plain']).flatMap(
    (way) =>
    rates[way].map((rate) => [way, `${rate}`, list(runs.filter((run) => run.way === way && run.rate === rate), 'found')]), // biome-ignore format: one line
  );
  return `${[
    ...opening('Wrong labels of digits', 'bilevel', effort),
    `Of ${count} digits, ${100 * wrong} % have a label that is wrong, drawn from the nine others. Each digit has a weight, σ of a number that BO-REP moves: the softmax ` +
      `regression that is trained with these weights is to do well on ${known} digits whose labels are known. ${steps} steps, of which every second one moves the ` +
      'regression by three gradients; then the regression is trained to the end, and judged by ' +
      `${test} other digits. *Found* is the share of the wrong labels among the ${100 * wrong} % of digits with the least weights; ${100 * wrong} % would be chance.`,
    markdown(
      ['way', 'rate', 'found', 'right before', 'right after', 'right with true labels', 'right of the known alone'],
      rows,
    ),
    `Each at its best rate by the mean of ${seeds.length} seeds, chosen by the same share. All that were tried:`,
    markdown(['way', 'rate', 'found'], all),
    '![The share of wrong labels that is found, and digits of the test that are right, by step](../images/experiment-bilevel.png)',
    `The picture: means of the ${seeds.length} seeds, each way at its best rate. Right is the regression as it stands at a step, which is not trained to the end.`,
    '## Verdicts',
    `**Weights find wrong labels: *${finds}*.** The rule: at least ${percent(least)} of them are among the least weights at each seed, by BO-REP.`,
    `**Training with them helps: *${helps}*.** The rule: more digits of the test are right than with equal weights, and than by a regression of the ${known} known ` +
      'digits alone, at each seed.',
    `**Steps of a given length find more than steps along the hypergradient as it is: *${normalization}*.** The rule: the ranges of both over seeds do not overlap. ` +
      'The upper function has bounded curvature here, so that nothing asks for normalization; where it has not, steps along the plain hypergradient run away ' +
      '([guide](../guide/bilevel.md#bo-rep)). Both find about as much over all rates that were tried, lengths of steps within a factor of 10 and plain rates within one of 100.',
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export function draw(runs, folder) {
  const panel = (/** @type {string} */ title, /** @type {1 | 2} */ key) => ({
    ...{ title, x: 'Step', y: 'Share' },
    lines: Object.fromEntries(
      /** @type {readonly Way[]} */ (['normalized', 'plain']).map((way) => {
        const { rate, runs: own } = best(runs, way);
        const places = own[0].curve.map(([step], i) => /** @type {const} */ ([step, mean(own.map(({ curve }) => curve[i][key]))])); // biome-ignore format: one line
        return [`${way === 'normalized' ? 'BO-REP' : 'not normalized'}, rate ${rate}`, places];
      }),
    ),
  });
  return drawLines([panel('Wrong labels that are found', 1), panel('Right of the test', 2)], { folder, name: 'experiment-bilevel', width: 280 }); // biome-ignore format: one line
}
