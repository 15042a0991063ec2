// Writes a signal as a sum of few bumps: orthogonal matching pursuit with one, three and six atoms.
// usage: node examples/sparse/atoms.mjs [--images folder]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, Dictionary, omp, reconstruct, Tensor } from 'orthokit';
import { colors, drawChart, style } from '../chart.mjs';

const length = 200;
const widths = [3, 8, 20];
const steps = [1, 3, 6];

/** A bump at a place, of norm 1. @param {number} place @param {number} width */
function bump(place, width) {
  const values = Float64Array.from({ length }, (_, t) => Math.exp(-0.5 * ((t - place) / width) ** 2));
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}

const images = path.join(import.meta.dirname, '..', '..', 'docs', 'images');
const { values: options } = parseArgs({ options: { images: { type: 'string', default: images } } });

// A bump every two samples, narrow, middling and wide.
const atoms = widths.flatMap((width) => Array.from({ length: length / 2 }, (_, k) => bump(2 * k, width)));
const parts = [
  { place: 40, width: 20, height: 3 },
  { place: 70, width: 3, height: -1.5 },
  { place: 110, width: 8, height: 2 },
  { place: 150, width: 8, height: -2.5 },
  { place: 164, width: 3, height: 1.2 },
];
const signal = new Float64Array(length);
for (const { place, width, height } of parts)
  for (const [t, value] of bump(place, width).entries()) signal[t] += height * value;

const device = Device.open('cpu');
const dictionary = new Dictionary(
  Tensor.from(device, Float64Array.from(atoms.flatMap((atom) => [...atom])), [atoms.length, length]),
);
const y = Tensor.from(device, signal, [1, length]);
const panels = [];
for (const k of steps) {
  const code = await omp(dictionary, y, { k });
  const [residual] = await code.residuals.read();
  const [taken] = await code.counts.read();
  const values = await reconstruct(code, dictionary).read();
  const share = residual / Math.hypot(...signal);
  console.log(`k ${k}: ${taken} atoms, ${(100 * share).toFixed(1)} % of the norm left`);
  panels.push(panel(`${taken} ${taken === 1 ? 'atom' : 'atoms'}, ${(100 * share).toFixed(0)} % left`, values));
}
dictionary.dispose();
await device.close();
const [file] = await drawChart(/** @type {any} */ ({ ...style, hconcat: panels }), {
  folder: options.images,
  name: 'atoms',
  kinds: ['png'],
  zoom: 1.5,
});
console.log(`Picture: ${path.relative(process.cwd(), file)}`);

/** @param {string} title @param {ArrayLike<number>} approximation */
function panel(title, approximation) {
  const line = (/** @type {ArrayLike<number>} */ values, /** @type {any} */ mark) => ({
    data: { values: Array.from(values, (value, t) => ({ t, value })) },
    mark: { type: 'line', ...mark },
    encoding: {
      x: { field: 't', type: 'quantitative', axis: null, scale: { domain: [0, length] } },
      y: { field: 'value', type: 'quantitative', axis: null, scale: { domain: [-0.75, 0.65] } },
    },
  });
  return {
    title,
    width: 240,
    height: 130,
    layer: [
      line(signal, { color: '#bbbbbb', strokeWidth: 5 }),
      line(approximation, { color: colors[1], strokeWidth: 1.5 }),
    ],
  };
}
