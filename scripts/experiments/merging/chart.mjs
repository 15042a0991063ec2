// The chart of the page: the mean accuracy of each way to merge, beside the base and the specialists.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { mean } from '../parts.mjs';
import { accuracies, accuracyOf, ofSpecialists } from './page.mjs';
import { sizes } from './run.mjs';
import { waysOf } from './ways.mjs';

const rules = ['the base', 'each text by its specialist'];

/** @param {readonly any[]} runs one a seed @param {string} folder */
export function drawWays(runs, folder) {
  const ways = [...new Set(waysOf(1).map(({ way }) => way))];
  const percents = (/** @type {readonly number[]} */ shares) => 100 * mean(shares);
  const hconcat = sizes.full.special.map((steps) => {
    const of = (/** @type {string} */ rule) =>
      percents(runs.map((run) => (rule === rules[0] ? accuracyOf(run.base) : ofSpecialists(run, steps))));
    return {
      title: `Specialists of ${steps} steps`,
      layer: [
        {
          data: { values: ways.flatMap((way) => accuracies(runs, way, steps).map((own) => ({ way, share: percents(own) }))) }, // biome-ignore format: one line
          mark: { type: 'point', filled: true, size: 60, color: colors[1] },
          encoding: {
            x: { field: 'share', type: 'quantitative', title: 'Letters foretold, %', scale: { zero: false } },
            y: { field: 'way', type: 'nominal', title: null, sort: ways, axis: { labelLimit: 0, grid: true } },
          },
        },
        {
          data: { values: rules.map((rule) => ({ rule, share: of(rule) })) },
          mark: { type: 'rule', strokeWidth: 2, strokeDash: [6, 4] },
          encoding: {
            x: { field: 'share', type: 'quantitative' },
            color: { field: 'rule', type: 'nominal', title: null, scale: { domain: rules, range: [colors[0], colors[2]] }, legend: { orient: 'bottom', labelLimit: 0 } }, // biome-ignore format: one line
          },
        },
      ],
      width: 300,
      height: 240,
    };
  });
  const chart = /** @type {any} */ ({ ...style, hconcat });
  return drawChart(chart, { folder, name: 'experiment-merging', kinds: ['png'], zoom: 1.4 });
}
