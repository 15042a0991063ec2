// Draws the transport plan between two small clouds of points for three strengths of the entropy.
// usage: node examples/transport/plans.mjs [--images folder]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, sinkhorn, Tensor } from 'orthokit';
import { colors, drawChart, style } from '../chart.mjs';

const count = 14;
const strengths = [0.5, 0.05, 0.005];

/** A sunflower's seeds: spread evenly over a disk. @param {number} centre */
const disk = (centre) =>
  Float64Array.from(
    Array.from({ length: count }, (_, k) => {
      const [radius, angle] = [0.45 * Math.sqrt((k + 0.5) / count), k * Math.PI * (3 - Math.sqrt(5))];
      return [centre + radius * Math.cos(angle), 0.5 + radius * Math.sin(angle)];
    }).flat(),
  );

/** Points on an arch. @param {number} centre */
const arch = (centre) =>
  Float64Array.from(
    Array.from({ length: count }, (_, k) => {
      const angle = (Math.PI * (k + 0.5)) / count - Math.PI / 2;
      return [centre + 0.5 * Math.cos(angle), 0.5 + 0.5 * Math.sin(angle)];
    }).flat(),
  );

const from = disk(0.5);
const to = arch(1.6);
const images = path.join(import.meta.dirname, '..', '..', 'docs', 'images');
const { values: options } = parseArgs({ options: { images: { type: 'string', default: images } } });

const device = Device.open('cpu');
const x = Tensor.from(device, from, [count, 2]);
const y = Tensor.from(device, to, [count, 2]);
const panels = [];
for (const eps of strengths) {
  const result = await sinkhorn({ x, y }, { eps });
  const { rows, cols, values } = await result.plan({ threshold: 1e-3 });
  console.log(`eps ${eps}: ${result.status}, cost ${result.cost.toFixed(3)}, ${values.length} pairs above 1e-3`);
  const lines = Array.from(values, (value, k) => ({
    x: from[2 * rows[k]],
    y: from[2 * rows[k] + 1],
    x2: to[2 * cols[k]],
    y2: to[2 * cols[k] + 1],
    share: value * count,
  }));
  panels.push(panel(eps, lines));
  result.dispose();
}
await device.close();
const [file] = await drawChart(/** @type {any} */ ({ ...style, hconcat: panels }), {
  folder: options.images,
  name: 'plans',
  kinds: ['png'],
  zoom: 1.5,
});
console.log(`Picture: ${path.relative(process.cwd(), file)}`);

/** @param {number} eps @param {{ x: number, y: number, x2: number, y2: number, share: number }[]} lines */
function panel(eps, lines) {
  const axis = (/** @type {string} */ field, /** @type {number[]} */ domain) => ({
    field,
    type: 'quantitative',
    axis: null,
    scale: { domain },
  });
  const place = { x: axis('x', [0, 2.2]), y: axis('y', [-0.05, 1.05]) };
  const dots = (/** @type {Float64Array} */ points, /** @type {string} */ color) => ({
    data: { values: Array.from({ length: count }, (_, k) => ({ x: points[2 * k], y: points[2 * k + 1] })) },
    mark: { type: 'circle', size: 45, color, opacity: 1 },
    encoding: place,
  });
  return {
    title: `eps = ${eps}`,
    width: 240,
    height: 130,
    layer: [
      {
        data: { values: lines },
        mark: { type: 'rule', color: '#555555' },
        encoding: {
          ...place,
          x2: { field: 'x2' },
          y2: { field: 'y2' },
          strokeWidth: { field: 'share', type: 'quantitative', scale: { domain: [0, 1], range: [0, 3] }, legend: null },
        },
      },
      dots(from, colors[1]),
      dots(to, colors[2]),
    ],
  };
}
