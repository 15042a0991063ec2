// Curves of the page, as SVG.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { byRate, finalLoss, mean } from './figures.mjs';

const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 2, 2, 2],
];

/** @param {readonly string[]} names a color and a dash for each */
const looks = (names) => ({
  color: {
    field: 'name',
    scale: { domain: names, range: names.map((_, i) => colors[i % colors.length]) },
    title: 'Optimizer',
    legend: { labelLimit: 240 },
  },
  strokeDash: {
    field: 'name',
    scale: { domain: names, range: names.map((_, i) => dashes[Math.floor(i / colors.length) % dashes.length]) },
    title: 'Optimizer',
    legend: { labelLimit: 240 },
  },
});

/**
 * @param {readonly import('./runs.mjs').Outcome[]} outcomes
 * @param {string} folder
 * @returns {Promise<string[]>} the files
 */
export async function drawOutcomes(outcomes, folder) {
  const names = [...new Set(outcomes.flatMap(({ entries }) => entries.map(({ name }) => name)))];
  const logarithmic = (/** @type {string} */ field, /** @type {string} */ title) => ({
    ...{ field, title, type: 'quantitative', scale: { type: 'log' } },
  });
  const panels = (/** @type {(outcome: any) => object[]} */ values, /** @type {any} */ x) => ({
    ...style,
    hconcat: outcomes.map((outcome) => ({
      title: outcome.task.title,
      ...{ width: 300, height: 280, data: { values: values(outcome) }, mark: 'line' },
      encoding: { x, y: logarithmic('loss', 'Mean cross-entropy'), ...looks(names) },
    })),
  });
  const samples = { field: 'samples', type: 'quantitative', title: 'Samples' };
  const [loss, rates] = [panels(curves, samples), panels(ends, logarithmic('rate', 'Rate'))];
  return [
    ...(await drawChart(/** @type {any} */ (loss), { folder, name: 'experiment-optimizers-loss', kinds: ['svg'] })),
    ...(await drawChart(/** @type {any} */ (rates), { folder, name: 'experiment-optimizers-rates', kinds: ['svg'] })),
  ];
}

/** The mean curve over seeds, at the best rate, as far as all have come. @param {import('./runs.mjs').Outcome} outcome */
const curves = ({ entries }) =>
  entries.flatMap(({ name, best }) => {
    const points = Math.min(...best.map(({ curve }) => curve.length));
    return best[0].curve.slice(0, points).map((/** @type {any} */ { samples }, /** @type {number} */ i) => ({
      ...{ name, samples, loss: mean(best.map(({ curve }) => curve[i].loss)) },
    }));
  });

/** Losses at the end of the runs that chose the rate, where they are finite. @param {import('./runs.mjs').Outcome} outcome */
const ends = ({ entries }) =>
  entries.flatMap(({ name, tuning }) =>
    [...byRate(tuning)]
      .map(([rate, runs]) => ({ name, rate, loss: mean(runs.map(finalLoss)) }))
      .filter(({ loss }) => Number.isFinite(loss)),
  );
