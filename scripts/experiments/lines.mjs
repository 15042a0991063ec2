// Charts of lines on pages of experiments.
import { colors, drawChart, style } from '../../examples/chart.mjs';

/** @typedef {{ title: string, x: string, y: string, isLog?: boolean, lines: Readonly<Record<string, readonly (readonly [number, number])[]>> }} Panel lines by name: places */

/**
 * Panels of lines side by side, as a PNG.
 *
 * @param {readonly Panel[]} panels @param {{ folder: string, name: string, width?: number }} target
 */
export function drawLines(panels, { folder, name, width = 330 }) {
  const names = [...new Set(panels.flatMap(({ lines }) => Object.keys(lines)))];
  const hconcat = panels.map(({ title, x, y, isLog, lines }) => ({
    title,
    width,
    height: 240,
    data: { values: Object.entries(lines).flatMap(([line, places]) => places.map(([at, value]) => ({ line, at, value }))) }, // biome-ignore format: one line
    mark: { type: 'line', clip: true },
    encoding: {
      x: { field: 'at', type: 'quantitative', title: x },
      y: { field: 'value', type: 'quantitative', title: y, scale: isLog ? { type: 'log' } : { zero: false }, axis: isLog ? { format: '.0e', tickCount: 6 } : {} }, // biome-ignore format: one line
      color: { field: 'line', type: 'nominal', title: null, legend: { labelLimit: 0 }, scale: { domain: names, range: names.map((_, i) => colors[i % colors.length]) } }, // biome-ignore format: one line
    },
  }));
  return drawChart(/** @type {any} */ ({ ...style, hconcat }), { folder, name, kinds: ['png'], zoom: 1.4 });
}
