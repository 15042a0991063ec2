// node scripts/peers/low-bit.mjs [side] [threads] [rounds]: products of side × side matrices of 4 bits in groups of 64, in turn of
// eight that come from memory, with rows in f32 and rounded to 8 bits, against our own f32 products and onnxruntime's MatMulNBits
// (python3-onnxruntime and python3-onnx of Debian). Prints a line each: the least milliseconds of a product, and the share of the
// floor, which is the bytes of a product at the speed at which the f32 product of one row reads its matrix.
import { Device, ops, Tensor } from 'orthokit';
import { QuantLinear } from 'orthokit/quantized';
import { here, python, turn } from './turns.mjs';

const [side = 4096, threads = 1, rounds = 15] = process.argv.slice(2).map(Number);
const matrices = 8;
const batches = [1, 2, 4, 8, 16, 32, 128];
const limit = 600_000;
const device = Device.open('cpu', { threads });

/** Milliseconds: of processors on one thread, so that others' work counts for less, else of the clock. */
const now = () => {
  const { user, system } = process.cpuUsage();
  return threads === 1 ? (user + system) / 1000 : performance.now();
};

/** Milliseconds of one of eight products, one after the other. */
async function timed(product) {
  const begin = now();
  for (let i = 0; i < matrices; ++i) product(i);
  await device.synchronize();
  return (now() - begin) / matrices;
}

try {
  const weights = Array.from({ length: matrices }, (_, seed) => Tensor.randn(device, [side, side], { seed }));
  const layers = weights.map((weight) => QuantLinear.quantize(weight, { bits: 4, group: 64 }));
  await device.synchronize();
  console.log(`${side} x ${side}, 4 bits, groups of 64, ${threads} threads, ms of a product`);
  let bytesOfMs;
  for (const rows of batches) {
    const a = Tensor.randn(device, [rows, side], { seed: 99 });
    const c = Tensor.zeros(device, [rows, side]);
    let [plain, ours, rounded] = [Infinity, Infinity, Infinity];
    for (let round = 0; round < rounds; ++round) {
      plain = Math.min(plain, await timed((i) => ops.gemm(device, { a, b: weights[i], c, transB: 'transposed' })));
      const product = (activations) => (i) => {
        const { codes, scales, bits } = layers[i];
        ops.quantizedGemm(device, { a, codes, scales, c, bits, transB: 'transposed', activations });
      };
      ours = Math.min(ours, await timed(product('f32')));
      rounded = Math.min(rounded, await timed(product('i8')));
    }
    bytesOfMs ??= weights[0].byteLength / plain;
    const floor = layers[0].byteLength / bytesOfMs;
    console.log(
      `rows ${rows}: f32 ${plain.toFixed(3)}, ours ${ours.toFixed(3)}, with i8 ${rounded.toFixed(3)}, ${(plain / ours).toFixed(2)} times as fast; floor ` +
        `${floor.toFixed(3)}, share ${((100 * floor) / ours).toFixed(0)} %`,
    );
    a.dispose();
    c.dispose();
  }
  for (const level of [0, 4]) {
    const answer = turn([python, here('low_bit_peer.py'), side, side, 64, threads, level, rounds, ...batches], limit);
    if (answer.skipped) throw new Error(answer.skipped);
    const times = batches.map((rows, i) => `rows ${rows}: ${answer.min_ms[i].toFixed(3)}`);
    console.log(`onnxruntime, accuracy level ${level}: ${times.join(', ')}`);
  }
} finally {
  await device.close();
}
