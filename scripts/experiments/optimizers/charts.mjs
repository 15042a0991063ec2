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
    legend: { labelLimit: 0 },
  },
  strokeDash: {
    field: 'name',
    scale: { domain: names, range: names.map((_, i) => dashes[Math.floor(i / colors.length) % dashes.length]) },
    title: 'Optimizer',
    legend: { labelLimit: 0 },
  },
});

/**
 * @param {readonly import('./runs.mjs').Outcome[]} outcomes
 * @param {string} folder
 * @returns {Promise<string[]>} the files
 */
export async function drawOutcomes(outcomes, folder) {
  const names = [...new Set(outcomes.flatMap(({ entries }) => entries.map(({ name }) => name)))];
  const logarithmic = (/** @type {string} */ field, /** @type {string} */ title, /** @type {object} */ scale = {}) => ({
    ...{ field, title, type: 'quantitative', scale: { type: 'log', nice: false, ...scale } },
  });
  /** Losses up to `most` times the least. */
  const panel = (
    /** @type {string} */ title,
    /** @type {readonly { loss: number }[]} */ values,
    /** @type {any} */ x,
    /** @type {number} */ most,
  ) => ({
    ...{ title, width: 400, height: 340, data: { values }, mark: { type: 'line', clip: true } },
    encoding: { x, y: logarithmic('loss', 'Mean cross-entropy', { domain: domainOf(values, most) }), ...looks(names) },
  });
  const panels = (
    /** @type {(outcome: any) => { loss: number }[]} */ values,
    /** @type {any} */ x,
    /** @type {number} */ most,
  ) => ({ ...style, hconcat: outcomes.map((outcome) => panel(outcome.task.title, values(outcome), x, most)) });
  const samples = { field: 'samples', type: 'quantitative', title: 'Samples' };
  const [loss, rates] = [panels(curves, samples, Infinity), panels(ends, logarithmic('rate', 'Rate'), 12)];
  return [
    ...(await drawChart(/** @type {any} */ (loss), {
      folder,
      name: 'experiment-optimizers-loss',
      kinds: ['png'],
      zoom: 1,
    })),
    ...(await drawChart(/** @type {any} */ (rates), {
      folder,
      name: 'experiment-optimizers-rates',
      kinds: ['png'],
      zoom: 1,
    })),
  ];
}

/** @param {readonly { loss: number }[]} values @param {number} most */
function domainOf(values, most) {
  const losses = values.map(({ loss }) => loss);
  const least = Math.min(...losses);
  return [0.95 * least, Math.min(Math.max(...losses), most * least)];
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
