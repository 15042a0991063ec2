import { colors, drawChart, style } from '../chart.mjs';

/**
 * Draws the loss of each step, and its mean over a fiftieth of them, as `loss.svg` and `loss.png`.
 *
 * @param {readonly number[]} losses
 * @param {string} folder
 */
export function drawLoss(losses, folder) {
  const half = Math.ceil(losses.length / 100);
  return drawChart(
    {
      ...style,
      title: 'Mean cross-entropy of the next letter',
      width: 480,
      height: 280,
      data: { values: losses.map((loss, step) => ({ step: step + 1, loss })) },
      transform: [{ window: [{ op: 'mean', field: 'loss', as: 'mean' }], frame: [-half, half] }],
      layer: [
        { mark: { type: 'line', strokeWidth: 1, opacity: 0.3, color: colors[1] }, encoding: { y: field('loss') } },
        { mark: { type: 'line', color: colors[1] }, encoding: { y: field('mean') } },
      ],
      encoding: { x: { field: 'step', type: 'quantitative', title: 'Step' } },
    },
    { folder, name: 'loss' },
  );
}

/** @param {string} name */
const field = (name) =>
  /** @type {const} */ ({ field: name, type: 'quantitative', title: 'Loss', scale: { zero: false } });
