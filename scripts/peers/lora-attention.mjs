// node scripts/peers/lora-attention.mjs [longest] [turns]: the gradient of an adapter through attention by its two modes, by the length of
// the sequence: a head of 8 of a model of 32 wide, rank 4, scores up to 1, f32 on one thread. Both modes take turns; gradients
// are compared first. Prints a line of JSON a length: milliseconds of processors, the least of the turns.
import { Device, Tensor } from 'orthokit';
import { loraAttentionGrad } from 'orthokit/adapters';
import { clockOf } from './peer.mjs';

const [longest = 8192, turns = 3] = process.argv.slice(2).map(Number);
const [width, head, rank, tolerance] = [32, 8, 4, 1e-2];
const device = Device.open('cpu', { threads: 1 });
const spent = clockOf();

/** Numbers evenly between -size and size. */
const draw = (size, seed, ...shape) => {
  const out = new Tensor(device, shape);
  const numbers = new Float32Array(out.size);
  let state = seed;
  for (let i = 0; i < numbers.length; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    numbers[i] = size * (state / 2 ** 31 - 1);
  }
  out.write(numbers);
  return out;
};

/** Largest difference of two lists, by the largest element. */
const distance = (x, y) =>
  x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i])), 0) /
  y.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

async function gradient(problem, mode) {
  const begin = spent();
  const { da, db, ...told } = await loraAttentionGrad(problem, { mode, tol: tolerance });
  const elements = [await da.read(), await db.read()];
  const ms = spent() - begin;
  for (const x of [da, db]) x.dispose();
  return { ms, elements, ...told };
}

try {
  for (let length = 512; length <= longest; length *= 2) {
    const problem = {
      ...{ x: draw(1, 1, length, width), y: draw(1, 2, length, head) },
      ...{ wq: draw(0.07, 3, head, width), wk: draw(0.07, 4, head, width), wv: draw(0.2, 5, head, width) },
      ...{ a: draw(0.1, 6, rank, width), b: draw(0.1, 7, head, rank), scale: 1 },
    };
    const best = { chain: Number.POSITIVE_INFINITY, exact: Number.POSITIVE_INFINITY };
    let told;
    for (let i = 0; i < turns; ++i) {
      const found = {};
      for (const mode of Object.keys(best)) {
        found[mode] = await gradient(problem, mode);
        best[mode] = Math.min(best[mode], found[mode].ms);
      }
      const { degree, features, errorBound } = found.chain;
      told = {
        degree,
        features,
        errorBound,
        error: Math.max(...[0, 1].map((k) => distance(found.chain.elements[k], found.exact.elements[k]))),
      };
      if (!(told.error <= tolerance)) throw new Error(`gradients of ${length} differ by ${told.error}`);
    }
    console.log(JSON.stringify({ length, ...best, ...told }));
    for (const x of Object.values(problem)) if (x instanceof Tensor) x.dispose();
  }
} finally {
  await device.close();
}
