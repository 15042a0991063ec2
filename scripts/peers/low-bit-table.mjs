// node scripts/peers/low-bit-table.mjs [threads] [rounds] [shape…]: products of 1 to 128 rows with matrices of 2, 3, 4 and 8 bits in
// groups of 128, rows in f32 and rounded to 8 bits, against the f32 product of the same shape. Prints a table for each shape `[out]x[in]`
// (default: 4096x4096, 4096x11008, 3072x768, 768x3072), in Markdown: milliseconds of the f32 product, and the time of the others as a
// share of it; and a table of floors of one row: the time of the bytes, at the speed at which the f32 product of one row reads its
// matrix, and that of the instructions, of as many rows of codes that are in the nearest caches.
// All products of a row take turns, each with several matrices so that they come from memory; the least of all rounds counts. Beside them
// onnxruntime's MatMulNBits of 4 bits, with rows in f32 and at its accuracy level 4, in processes of its own (python3-onnxruntime and
// python3-onnx of Debian; without them these columns are left out).
import { Device, ops, Tensor } from 'orthokit';
import { QuantLinear } from 'orthokit/quantized';
import { here, python, turn } from './turns.mjs';

const [threads = 1, rounds = 7] = process.argv.slice(2, 4).map(Number);
const shapes = process.argv.length > 4 ? process.argv.slice(4) : ['4096x4096', '4096x11008', '3072x768', '768x3072'];
const [batches, widths] = [
  [1, 2, 4, 8, 16, 32, 128],
  [2, 3, 4, 8],
];
/** Matrices in turn hold so many bytes together, which are more than a cache has, or are so many. */
const [turnBytes, mostMatrices] = [96 << 20, 16];
/** Milliseconds that the peer may take for a shape. */
const limit = 600_000;
/** A product is repeated until this many milliseconds are over. */
const least = 10;
/** A share from which on a product is slower for no reason. */
const tolerated = 1.25;
const device = Device.open('cpu', { threads });

/** Milliseconds: of processors on one thread, so that others' work counts for less, else of the clock. */
const now = () => {
  const { user, system } = process.cpuUsage();
  return threads === 1 ? (user + system) / 1000 : performance.now();
};

/** Milliseconds of one product. @param {(i: number) => void} product @param {number} count of matrices */
async function timed(product, count) {
  let [runs, spent] = [0, 0];
  while (spent < least) {
    const begin = now();
    for (let i = 0; i < count; ++i) product(i);
    await device.synchronize();
    spent += now() - begin;
    runs += count;
  }
  return spent / runs;
}

/** Bytes of codes that stay in the nearest caches. */
const nearBytes = 128 << 10;
const activationsOf = /** @type {const} */ (['f32', 'i8']);

/**
 * Milliseconds that the instructions of a product of one row take, where no byte comes from memory. Of matrices of two heights,
 * so that the cost of a call does not count. @param {number} bits @param {'f32' | 'i8'} activations
 * @param {number} outputs @param {number} inputs
 */
async function instructionsOf(bits, activations, outputs, inputs) {
  const least = 8 * Math.max(1, Math.floor(nearBytes / ((inputs * bits) / 8) / 8));
  const a = Tensor.randn(device, [1, inputs], { seed: 3 });
  const made = [least, 3 * least].map((height) => {
    const weight = Tensor.randn(device, [height, inputs], { seed: 2 });
    const layer = QuantLinear.quantize(weight, { bits, group: 128 });
    weight.dispose();
    return { layer, c: Tensor.zeros(device, [1, height]), best: Number.POSITIVE_INFINITY };
  });
  for (let round = 0; round < rounds; ++round)
    for (const one of made) {
      const { codes, scales } = one.layer;
      const run = () =>
        ops.quantizedGemm(device, { a, codes, scales, c: one.c, bits, transB: 'transposed', activations });
      one.best = Math.min(one.best, await timed(run, 64));
    }
  for (const { layer, c } of made) for (const one of [layer, c]) one.dispose();
  a.dispose();
  return ((made[1].best - made[0].best) * outputs) / (2 * least);
}

/** Distinct copies in memory of what `make` makes. @template T @param {number} bytes of one @param {() => T} make */
const inTurn = (bytes, make) =>
  Array.from({ length: Math.min(mostMatrices, Math.max(2, Math.ceil(turnBytes / bytes))) }, make);

try {
  for (const shape of shapes) {
    const [outputs, inputs] = shape.split('x').map(Number);
    const weights = inTurn(4 * outputs * inputs, () => Tensor.randn(device, [outputs, inputs], { seed: 1 }));
    const layers = widths.map((bits) =>
      inTurn((outputs * inputs * bits) / 8, () => QuantLinear.quantize(weights[0], { bits, group: 128 })),
    );
    await device.synchronize();
    const peers = [0, 4]
      .map((level) =>
        turn([python, here('low_bit_peer.py'), outputs, inputs, 128, threads, level, rounds, ...batches], limit),
      )
      .filter(({ skipped }) => !skipped);
    const heads = [
      ...widths.flatMap((bits) => [`${bits} bits`, 'i8']),
      ...['onnxruntime, 4 bits', 'its level 4'].slice(0, peers.length),
    ];
    console.log(`\n${shape}, groups of 128, ${threads} threads\n\n| rows | f32, ms | ${heads.join(' | ')} |`);
    console.log(`| ${Array.from({ length: heads.length + 2 }, () => '---').join(' | ')} |`);
    const floors = [];
    for (const [place, rows] of batches.entries()) {
      const a = Tensor.randn(device, [rows, inputs], { seed: 99 });
      const c = Tensor.zeros(device, [rows, outputs]);
      const products = [
        { count: weights.length, run: (i) => ops.gemm(device, { a, b: weights[i], c, transB: 'transposed' }) },
        ...layers.flatMap((some) =>
          activationsOf.map((activations) => ({
            count: some.length,
            run: (i) => {
              const { codes, scales, bits } = some[i];
              ops.quantizedGemm(device, { a, codes, scales, c, bits, transB: 'transposed', activations });
            },
          })),
        ),
      ].map((one) => ({ ...one, best: Number.POSITIVE_INFINITY }));
      for (let round = 0; round < rounds; ++round)
        for (const one of products) one.best = Math.min(one.best, await timed(one.run, one.count));
      const [plain, ...others] = [...products.map(({ best }) => best), ...peers.map(({ min_ms: ms }) => ms[place])];
      const cells = others.map((ms) => `${(ms / plain).toFixed(2)}${ms > tolerated * plain ? ' !' : ''}`);
      console.log(`| ${rows} | ${plain.toFixed(3)} | ${cells.join(' | ')} |`);
      for (const tensor of [a, c]) tensor.dispose();
      if (rows > 1) continue;
      for (const [i, bits] of widths.entries())
        for (const [j, activations] of activationsOf.entries()) {
          const bytes = (plain * layers[i][0].byteLength) / weights[0].byteLength;
          const instructions = await instructionsOf(bits, activations, outputs, inputs);
          floors.push({ bits, activations, bytes, instructions, own: others[2 * i + j] });
        }
    }
    console.log('\n| one row | bytes, ms | instructions, ms | product, ms | share of the larger floor |');
    console.log('| --- | --- | --- | --- | --- |');
    for (const { bits, activations, bytes, instructions, own } of floors) {
      const share = ((100 * Math.max(bytes, instructions)) / own).toFixed(0);
      const numbers = [bytes, instructions, own].map((ms) => ms.toFixed(3)).join(' | ');
      console.log(`| ${bits} bits, ${activations} | ${numbers} | ${share} % |`);
    }
    for (const one of [...weights, ...layers.flat()]) one.dispose();
  }
} finally {
  await device.close();
}
