// docs/experiments/surrogates.md, from recorded runs, and its picture.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, mean, opening } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { networks, sizes, tried, ways } from './run.mjs';

/** @import { Network, Way } from './run.mjs' */

const titles = {
  ...{ 'surrogate 1': 'surrogate, 1 inner step', 'surrogate 5': 'surrogate, 5', 'surrogate 20': 'surrogate, 20' },
  ...{ gradient: 'gradient steps', adam: 'Adam', lbfgs: 'L-BFGS' },
};
/** Calls of the verdict on the beginning. */
const early = 10;
const names = { linear: 'softmax regression', mlp: 'one hidden layer' };

/** Losses of the seeds, and the last of each; what has run away is infinite. @param {readonly any[]} runs @param {Network} network @param {Way} way @param {number} value */
function of(runs, network, way, value) {
  const curves = runs
    .filter((run) => run.network === network)
    .map((run) => run.runs.find((/** @type {any} */ one) => one.way === way && one.value === value).losses);
  const most = Math.max(...curves.map((losses) => losses.length));
  const isWhole = (/** @type {number[]} */ losses) => losses.length === most || way === 'lbfgs';
  return {
    curves,
    last: curves.map((losses) => (isWhole(losses) && Number.isFinite(losses.at(-1)) ? losses.at(-1) : Infinity)),
  };
}

/** The result of a way at the best of its steps or rates, by the mean loss at the end. @param {readonly any[]} runs @param {Network} network @param {Way} way */
function best(runs, network, way) {
  const made = runs.flatMap((run) => run.runs.filter((/** @type {any} */ one) => one.way === way));
  const all = tried[way]
    .filter((value) => made.some((one) => one.value === value))
    .map((value) => ({ value, ...of(runs, network, way, value) }));
  return all.reduce((first, one) => (mean(one.last) < mean(first.last) ? one : first));
}

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const pairs = (/** @type {Way} */ own, /** @type {Way} */ other) =>
    networks.flatMap((network) => {
      const [mine, theirs] = [best(runs, network, own).last, best(runs, network, other).last];
      return mine.map((/** @type {number} */ x, /** @type {number} */ i) => x / theirs[i]);
    });
  const safe = networks.flatMap((network) =>
    /** @type {const} */ (['surrogate 1', 'surrogate 5', 'surrogate 20']).flatMap((way) => of(runs, network, way, 1)),
  );
  const against = (/** @type {Way} */ other) =>
    inEach(
      pairs('surrogate 20', other),
      (ratio) => ratio < 1,
      (ratio) => ratio > 1,
    );
  return {
    falls: inEach(
      safe.flatMap(({ curves }) => curves),
      (losses) =>
        losses.every((/** @type {number} */ x, /** @type {number} */ i) => i === 0 || x <= losses[i - 1] * (1 + 1e-12)),
    ),
    inner: inEach(
      networks.flatMap((network) => {
        const [five, one] = [of(runs, network, 'surrogate 5', 1).last, of(runs, network, 'surrogate 1', 1).last];
        return five.map((/** @type {number} */ x, /** @type {number} */ i) => x / one[i]);
      }),
      (ratio) => ratio < 0.75,
    ),
    gradient: against('gradient'),
    adam: against('adam'),
    lbfgs: against('lbfgs'),
    early: inEach(
      networks.flatMap((network) => {
        const [own, other] = [best(runs, network, 'surrogate 20').curves, best(runs, network, 'lbfgs').curves];
        const at = (/** @type {number[]} */ losses) => losses[Math.min(early, losses.length) - 1];
        return own.map((losses, i) => at(losses) / at(other[i]));
      }),
      (ratio) => ratio < 1,
      (ratio) => ratio > 1,
    ),
  };
}

/** @param {readonly any[]} runs */
export const figures = (runs) => ({
  head: ['oracle', 'way', 'best of', 'loss'],
  rows: networks.flatMap((network) =>
    ways.map((way) => {
      const { value, last } = best(runs, network, way);
      const isEnd = tried[way].length > 1 && (value === tried[way][0] || value === tried[way].at(-1));
      return [
        names[network],
        titles[way],
        way === 'lbfgs' ? '' : `${value}${isEnd ? ', an end' : ''}`,
        last.map((/** @type {number} */ x) => x.toPrecision(3)).join(', '),
      ];
    }),
  ),
});

/** @param {readonly any[]} runs one a network and seed @param {string} effort */
export function pageOf(runs, effort) {
  const { falls, inner, gradient, adam, lbfgs, early: first } = judge(runs);
  const { calls, count, hidden } = sizes.full;
  const { rows } = figures(runs);
  const safe = networks.flatMap((network) =>
    /** @type {const} */ (['surrogate 1', 'surrogate 5', 'surrogate 20']).map((way) => [
      names[network],
      titles[way],
      of(runs, network, way, 1)
        .last.map((/** @type {number} */ x) => x.toPrecision(3))
        .join(', '),
    ]),
  );
  return `${[
    ...opening('Surrogates where a loss is dear', 'surrogates', effort),
    `Of ${count} digits of 14 × 14 pixels an oracle tells the mean cross entropy of a model's outputs, and its derivative by them. It may be asked ${calls} times; the model, softmax regression or a network with ${hidden} hidden units, is free. ` +
      "`TargetSurrogate` takes 1, 5 or 20 steps of the model for each call. The loss after the last call, at 3 seeds, with the best of some steps η, in multiples of the safe one (the inverse of the loss's smoothness), or rates:",
    markdown(['model', 'way', 'η or rate', 'loss'], rows),
    '![Loss by calls of the oracle](../images/experiment-surrogates.png)',
    'With the safe step, which nobody needs to search for:',
    markdown(['model', 'way', 'loss'], safe),
    '## Verdicts',
    `**With the safe step the loss never rises (arXiv 2302.02607): *${falls}*.** The rule: at no call, of any number of inner steps, model and seed.`,
    `**More inner steps make more of a call: *${inner}*.** The rule: with the safe step five leave less than three quarters of the loss that one leaves, of each model and seed.`,
    `**With as many calls, 20 inner steps lead further down than methods that ask once a step: gradient steps *${gradient}*, Adam *${adam}*, L-BFGS *${lbfgs}*.** The rule: a smaller loss at the best step or rate of each, of each model and seed.`,
    `**After the first ${early} calls they have led further than L-BFGS: *${first}*.** The rule: a smaller loss then, of each model and seed. This was asked after the curves were seen.`,
    `Tried were multiples ${tried['surrogate 20'].join(', ')}, rates ${tried.gradient.join(', ')} of gradient steps and ${tried.adam.join(', ')} of Adam. The loss is that of the digits that are learnt from: it says how far a method comes down, not what a model knows of others. All counts are of the oracle; a surrogate's inner step takes the model forward once or more, and back once.`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export function draw(runs, folder) {
  const panel = (/** @type {Network} */ network) => {
    const values = ways.flatMap((way) => {
      const { curves } = best(runs, network, way);
      const length = Math.min(...curves.map((losses) => losses.length));
      return Array.from({ length }, (_, i) => ({
        way: titles[way],
        call: i + 1,
        loss: mean(curves.map((losses) => losses[i])),
      }));
    });
    return {
      ...{ title: names[network], width: 300, height: 240, data: { values }, mark: { type: 'line', strokeWidth: 1.5 } },
      encoding: {
        x: { field: 'call', type: 'quantitative', title: 'calls of the oracle' },
        y: { field: 'loss', type: 'quantitative', title: 'loss', scale: { type: 'log' } },
        color: {
          field: 'way',
          type: 'nominal',
          title: null,
          sort: null,
          legend: { labelLimit: 0 },
          scale: { domain: ways.map((way) => titles[way]), range: [...colors, '#E69F00'] },
        },
      },
    };
  };
  return drawChart(/** @type {any} */ ({ ...style, hconcat: networks.map(panel) }), {
    folder,
    name: 'experiment-surrogates',
    kinds: ['png'],
    zoom: 1.5,
  });
}
