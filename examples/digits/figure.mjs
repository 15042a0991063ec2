import { colors, drawChart, style } from '../chart.mjs';

/** @import { TopLevelSpec } from 'vega-lite' */

/** @typedef {{ name: string, losses: readonly number[], accuracies: readonly number[] }} Curve */

/**
 * Draws training loss and test accuracy over the epochs, as `<name>.svg` and `<name>.png`.
 *
 * @param {readonly Curve[]} curves
 * @param {{ folder: string, name: string }} target
 * @returns {Promise<string[]>} the files
 */
export const drawCurves = (curves, target) => drawChart(specification(curves), target);

// Of the grid of a logarithmic axis, the powers of ten stand out.
const powersOfTen = {
  condition: { test: 'abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-6', value: 1 },
  value: 0.35,
};

/** @param {readonly Curve[]} curves @returns {TopLevelSpec} */
function specification(curves) {
  const names = curves.map(({ name }) => name);
  const epochs = curves[0].accuracies.length;
  const stepsPerEpoch = curves[0].losses.length / epochs;
  const losses = curves.flatMap(({ name, losses }) =>
    losses.map((loss, step) => ({ name, step, epoch: (step + 1) / stepsPerEpoch, loss })),
  );
  const accuracies = curves.flatMap(({ name, accuracies }) =>
    accuracies.map((accuracy, epoch) => ({ name, epoch: epoch + 1, accuracy })),
  );
  /** @type {any} */
  const x = { field: 'epoch', type: 'quantitative', title: 'Epoch', scale: { domain: [0, epochs] } };
  /** @type {any} */
  const color = { field: 'name', scale: { domain: names, range: colors }, legend: { title: 'Optimizer' } };
  const quarter = Math.floor(stepsPerEpoch / 4);
  return {
    ...style,
    hconcat: [
      {
        title: 'Training loss, averaged over half an epoch',
        width: 360,
        height: 260,
        data: { values: losses },
        transform: [
          {
            window: [{ op: 'mean', field: 'loss', as: 'smooth' }],
            sort: [{ field: 'epoch' }],
            groupby: ['name'],
            frame: [-quarter, quarter],
          },
          { filter: 'datum.step % 4 === 0' },
        ],
        mark: 'line',
        encoding: {
          x,
          y: {
            field: 'smooth',
            type: 'quantitative',
            title: 'Mean cross-entropy',
            scale: { type: 'log' },
            axis: { gridOpacity: powersOfTen },
          },
          color,
        },
      },
      {
        title: 'Test accuracy after every epoch',
        width: 260,
        height: 260,
        data: { values: accuracies },
        mark: { type: 'line', point: { size: 25 } },
        encoding: {
          x,
          y: { field: 'accuracy', type: 'quantitative', axis: { format: '%', title: null }, scale: { zero: false } },
          color,
        },
      },
    ],
  };
}
