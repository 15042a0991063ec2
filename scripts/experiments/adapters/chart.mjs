// The chart of the page: test digits that are right, by way and rate, means over the seeds.
import { colors, drawChart, style } from '../../../examples/chart.mjs';

/** @param {readonly any[]} runs @param {string} folder */
export function drawRates(runs, folder) {
  const panels = [
    { title: 'One trainer, AdamW', isShown: (/** @type {any} */ run) => run.part === 'tune' },
    {
      title: 'Clients, without noise',
      isShown: (/** @type {any} */ run) => run.part === 'federate' && run.noise === 0,
    },
    { title: 'Clients, with noise', isShown: (/** @type {any} */ run) => run.part === 'federate' && run.noise !== 0 },
  ];
  const hconcat = panels.map(({ title, isShown }) => ({
    title,
    width: 230,
    height: 220,
    data: { values: runs.filter(isShown).map(({ way, rate, after }) => ({ way, rate, right: 100 * after })) },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'rate',
        type: 'quantitative',
        title: 'Rate',
        scale: { type: 'log' },
        axis: { tickCount: 4, format: '~g' },
      },
      y: { field: 'right', type: 'quantitative', aggregate: 'mean', title: 'Right, %', scale: { zero: false } },
      color: {
        field: 'way',
        type: 'nominal',
        title: null,
        scale: { range: colors },
        legend: { orient: 'bottom', labelLimit: 0, columns: 2 },
      },
    },
  }));
  const chart = /** @type {any} */ ({ ...style, hconcat, resolve: { scale: { color: 'independent' } } });
  return drawChart(chart, { folder, name: 'experiment-adapters', kinds: ['png'], zoom: 1.4 });
}
