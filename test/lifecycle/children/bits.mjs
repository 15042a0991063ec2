// A digest of everything that a program computes with as many threads as argument 2 says.
import { createHash } from 'node:crypto';
import { Device, ops, Tensor } from '../../../dist/index.js';

const device = Device.open('cpu', { threads: Number(process.argv[2]) });
const hash = createHash('sha256');
let state = 1;
const next = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32 - 0.5;
};
const random = (shape, dtype = 'f32') => {
  const size = shape.reduce((a, b) => a * b, 1);
  return Tensor.from(device, Array.from({ length: size }, next), shape, { dtype });
};
const zeros = (shape, dtype = 'f32') => Tensor.zeros(device, shape, { dtype });
const shapes = [[297, 143], [150, 300], [31], [20001]]; // biome-ignore format: one line
const matrices = shapes.slice(0, 2);
const coefficients = Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]).flat();
const results = [];
for (const dtype of ['f32', 'f64', 'bf16']) {
  const state = dtype === 'bf16' ? 'f32' : dtype;
  const start = (list) => ({
    weights: list.map((s) => random(s, dtype)),
    grads: list.map((s) => random(s, dtype)),
    statistics: zeros([list.length, 3], 'f64'),
    lr: 0.05,
    weightDecay: 0.1,
  });
  const like = (list) => list.map((s) => zeros(s, state));
  const counts = (list) => list.map(() => zeros([1], 'i32'));
  const all = [
    ['adamw', shapes, { momenta: like(shapes), roots: like(shapes), steps: counts(shapes) }],
    ['auon', shapes, { momenta: like(shapes), gamma: 4 }],
    ['auon', shapes, { momenta: like(shapes), variant: 'rms' }],
    ['adagradNorm', shapes, { squares: shapes.map(() => zeros([1], 'f64')), steps: counts(shapes), scope: 'global' }],
    ['lion', shapes, { momenta: like(shapes) }],
    ['muon', matrices, { momenta: like(matrices), coefficients }],
    ['hybridAuon', matrices, { momenta: like(matrices), coefficients }],
  ];
  for (const [name, list, own] of all) {
    const common = start(list);
    for (let step = 0; step < 2; step++) ops[name](device, { ...common, ...own });
    results.push(
      ...common.weights,
      common.statistics,
      ...Object.values(own)
        .flat()
        .filter((t) => t instanceof Tensor),
    );
  }
}
for (const dtype of ['f32', 'f64']) {
  const [a, b] = [random([300, 700], dtype), random([700, 597], dtype)];
  const [c, s, t] = [zeros([300, 597], dtype), zeros([300, 300], dtype), zeros([700, 700], dtype)];
  ops.gemm(device, { a, b, c, beta: 0.5 });
  ops.symmetricProduct(device, { a, c: s });
  ops.symmetricProduct(device, { a, c: t, trans: 'transposed' });
  const norms = zeros([3], 'f64');
  ops.norms(device, { x: [a, b, random([40001], dtype)], out: norms });
  results.push(c, s, t, norms);
}
for (const tensor of results) hash.update(Buffer.from((await tensor.read()).buffer));
console.log(hash.digest('hex'));
await device.close();
