// node scripts/peers/low-bit-table.mjs [threads] [rounds] [shape…]: products of 1 to 128 rows with matrices of 2, 3, 4 and 8 bits in
// groups of 128, rows in f32 and rounded to 8 bits, against the f32 product of the same shape. Prints a table for each shape `[out]x[in]`
// (default: 4096x4096, 4096x11008, 768x3072), in Markdown: milliseconds of the f32 product, and the time of the others as a share of it.
// All products of a row take turns, each with several matrices so that they come from memory; the least of all rounds counts. Beside them
// onnxruntime's MatMulNBits of 4 bits, with rows in f32 and at its accuracy level 4, in processes of its own (python3-onnxruntime and
// python3-onnx of Debian; without them these columns are left out).
import { Device, ops, Tensor } from 'orthokit';
import { QuantLinear } from 'orthokit/quantized';
import { here, python, turn } from './turns.mjs';

const [threads = 1, rounds = 7] = process.argv.slice(2, 4).map(Number);
const shapes = process.argv.length > 4 ? process.argv.slice(4) : ['4096x4096', '4096x11008', '768x3072'];
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
    for (const [place, rows] of batches.entries()) {
      const a = Tensor.randn(device, [rows, inputs], { seed: 99 });
      const c = Tensor.zeros(device, [rows, outputs]);
      const products = [
        { count: weights.length, run: (i) => ops.gemm(device, { a, b: weights[i], c, transB: 'transposed' }) },
        ...layers.flatMap((some) =>
          ['f32', 'i8'].map((activations) => ({
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
    }
    for (const one of [...weights, ...layers.flat()]) one.dispose();
  }
} finally {
  await device.close();
}
