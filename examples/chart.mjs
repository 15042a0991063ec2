// Charts of examples, as SVG and PNG.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import * as vega from 'vega';
import { compile } from 'vega-lite';
import { png } from './png.mjs';

/** @import { TopLevelSpec } from 'vega-lite' */

// The palette of Okabe and Ito, which the color-blind can tell apart, without its yellow, which white drowns.
export const colors = ['#000000', '#0072B2', '#D55E00', '#009E73', '#CC79A7'];
const fontFile = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');

/**
 * Fonts, grid and frame that all charts share.
 *
 * @satisfies {Partial<TopLevelSpec>}
 */
export const style = /** @type {const} */ ({
  background: 'white',
  padding: 12,
  config: {
    font: 'DejaVu Sans, Verdana, sans-serif',
    axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', gridColor: '#e6e6e6' },
    title: { fontSize: 13, anchor: 'start', fontWeight: 'normal' },
    legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', symbolStrokeWidth: 3 },
    view: { stroke: '#cccccc' },
    line: { strokeWidth: 2 },
  },
});

/**
 * Writes `<name>.svg` and `<name>.png`, or one of them.
 *
 * @param {TopLevelSpec} specification
 * @param {{ folder: string, name: string, kinds?: readonly ('svg' | 'png')[], zoom?: number }} target `zoom`: pixels of the PNG a unit of length
 * @returns {Promise<string[]>} the files
 */
export async function drawChart(specification, { folder, name, kinds = ['svg', 'png'], zoom = 2 }) {
  const view = new vega.View(vega.parse(compile(specification).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  // The font comes with the package, since a server often has none.
  const picture = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: zoom },
    font: { loadSystemFonts: false, fontFiles: [fontFile], defaultFontFamily: 'DejaVu Sans' },
  });
  mkdirSync(folder, { recursive: true });
  return kinds.map((kind) => {
    const file = path.join(folder, `${name}.${kind}`);
    writeFileSync(file, kind === 'svg' ? svg : png(picture.render()));
    return file;
  });
}
