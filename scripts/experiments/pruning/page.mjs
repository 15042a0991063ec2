// docs/experiments/pruning.md, from recorded runs, and its picture.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, mean, opening, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { damp, shares, sizes, ways } from './run.mjs';

const titles = { mfac: 'M-FAC', 'mfac, one round': 'M-FAC, one round', magnitude: 'the smallest', random: 'at random' };

/** The value of each seed. @param {readonly any[]} runs @param {string} way @param {number} share @returns {number[]} */
const right = (runs, way, share) =>
  runs.map(({ pruned }) => pruned.find((/** @type {any} */ one) => one.way === way && one.share === share).right);
/** At each share, whether one is better than another; both prune the same network of a seed. @param {readonly any[]} runs @param {string} own @param {string} other */
const against = (runs, own, other) =>
  shares.map((share) => {
    const [mine, theirs] = [right(runs, own, share), right(runs, other, share)];
    const seeds = [...mine.keys()];
    return inEach(
      seeds,
      (i) => mine[i] > theirs[i],
      (i) => mine[i] < theirs[i],
    );
  });

/** Verdicts by the page's rules, one a share. @param {readonly any[]} runs */
export function judge(runs) {
  const all = (/** @type {string} */ name, /** @type {readonly string[]} */ verdicts) =>
    Object.fromEntries(verdicts.map((verdict, i) => [`${name} ${100 * shares[i]} %`, verdict]));
  return {
    ...all('M-FAC better than magnitude at', against(runs, 'mfac', 'magnitude')),
    ...all('rounds better than one at', against(runs, 'mfac', 'mfac, one round')),
  };
}

/** @param {readonly any[]} runs */
export const figures = (runs) => ({
  head: ['way', ...shares.map(percent)],
  rows: ways.map((way) => [titles[way], ...shares.map((share) => right(runs, way, share).map(percent).join(', '))]),
});

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { gradients, rounds, train, test, steps } = sizes.full;
  const said = (/** @type {string} */ own, /** @type {string} */ other) =>
    against(runs, own, other)
      .map((verdict, i) => `*${verdict}* at ${100 * shares[i]} %`)
      .join(', ');
  const { head, rows } = figures(runs);
  return `${[
    ...opening('A pruned CNN', 'pruning', effort),
    `Two convolutions and a linear layer, ${runs[0].dim} weights without biases, learn ${train} digits in ${steps} steps of AdamW. Then 50, 75 or 90 % of all weights become 0, and nothing is trained again. ` +
      `M-FAC takes ${gradients} gradients of single samples in each of ${rounds} rounds (\`MFacStatic\` with a damping of ${damp}, \`obsPrune\`), and moves the weights that stay; or all in one round. ` +
      `Shares of ${test} other digits that are told right, at ${runs.length} seeds; before it was ${runs.map(({ before }) => percent(before)).join(', ')}:`,
    markdown(head, rows),
    '![Digits told right by the share of weights that are gone](../images/experiment-pruning.png)',
    '## Verdicts',
    `**M-FAC leaves a better network than to drop the smallest weights (arXiv 2107.03356): ${said('mfac', 'magnitude')}.** The rule: more digits are right in each seed, which has one network for all ways.`,
    `**Rounds with gradients anew are better than one: ${said('mfac', 'mfac, one round')}.** The rule is the same.`,
    'The paper trains again after each round; that is left out here, so that the ways can be told apart.',
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export function draw(runs, folder) {
  const values = ways.flatMap((way) =>
    [0, ...shares].map((share) => {
      const all = share === 0 ? runs.map(({ before }) => before) : right(runs, way, share);
      return { way: titles[way], share, right: mean(all), low: Math.min(...all), high: Math.max(...all) };
    }),
  );
  const x = {
    field: 'share',
    type: 'quantitative',
    title: 'share of the weights that are gone',
    axis: { format: '%' },
  };
  const color = {
    field: 'way',
    type: 'nominal',
    title: null,
    sort: null,
    scale: { range: [colors[1], colors[2], colors[0], colors[3]] },
  };
  const y = (/** @type {string} */ field) => ({
    field,
    type: 'quantitative',
    title: 'digits told right',
    axis: { format: '%' },
    scale: { domain: [0, 1] },
  });
  const specification = {
    ...{ ...style, width: 420, height: 280, data: { values } },
    layer: [
      { mark: { type: 'line', point: true }, encoding: { x, y: y('right'), color } },
      { mark: { type: 'rule', strokeWidth: 1.5 }, encoding: { x, y: y('low'), y2: { field: 'high' }, color } },
    ],
  };
  return drawChart(/** @type {any} */ (specification), {
    folder,
    name: 'experiment-pruning',
    kinds: ['png'],
    zoom: 1.5,
  });
}
