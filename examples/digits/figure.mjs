import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import * as vega from 'vega';
import { compile } from 'vega-lite';

/** @import { TopLevelSpec } from 'vega-lite' */

/** @typedef {{ name: string, losses: readonly number[], accuracies: readonly number[] }} Curve */

// The palette of Okabe and Ito, which the color-blind can tell apart, without its yellow, which white drowns.
const colors = ['#000000', '#0072B2', '#D55E00', '#009E73', '#CC79A7'];
const font = 'DejaVu Sans, Verdana, sans-serif';
const fontFile = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');

/**
 * Draws training loss and test accuracy over the epochs, as `<name>.svg` and `<name>.png`.
 *
 * @param {readonly Curve[]} curves
 * @param {{ folder: string, name: string }} target
 * @returns {Promise<string[]>} the files
 */
export async function drawCurves(curves, { folder, name }) {
  const view = new vega.View(vega.parse(compile(specification(curves)).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  // The font comes with the package, since a server often has none.
  const picture = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    font: { loadSystemFonts: false, fontFiles: [fontFile], defaultFontFamily: 'DejaVu Sans' },
  });
  mkdirSync(folder, { recursive: true });
  const files = ['svg', 'png'].map((kind) => path.join(folder, `${name}.${kind}`));
  writeFileSync(files[0], svg);
  writeFileSync(files[1], picture.render().asPng());
  return files;
}

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
    background: 'white',
    padding: 12,
    config: {
      font,
      axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', gridColor: '#e6e6e6' },
      title: { fontSize: 13, anchor: 'start', fontWeight: 'normal' },
      legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', symbolStrokeWidth: 3 },
      view: { stroke: '#cccccc' },
      line: { strokeWidth: 2 },
    },
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
