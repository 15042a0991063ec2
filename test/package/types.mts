import {
  AdamW,
  type AnyOptimizer,
  type CombinedOptimizer,
  combine,
  Device,
  type Dtype,
  Muon,
  type Ops,
  Optimizer,
  ops,
  orthogonalize,
  reconstruct,
  SparseCode,
  sinkhorn,
  sinkhornDivergence,
  Tensor,
  type TransportResult,
  toDense,
  transportBatch,
} from 'orthokit';
import { cholesky, eigh, lstsq, lu, polar, qr, randomizedSvd, solve, svd } from 'orthokit/linalg';
import { cg, matrixOperator, minres } from 'orthokit/solvers';

const device = Device.open('cpu');
const weights: Tensor = Tensor.from(device, new Float32Array(4), [2, 2]);
const optimizer = new Muon([weights]);
optimizer.step([weights]);

// A tensor's dtype is part of its type: what is read needs no cast.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_isSame: Same<A, B>): void => {};
const zeros = Tensor.zeros(device, [2]);
same<typeof zeros, Tensor<'f32'>>(true);
const unset = new Tensor(device, [2]);
same<typeof unset, Tensor<'f32'>>(true);
const exact = new Tensor(device, [2], 'f64');
same<typeof exact, Tensor<'f64'>>(true);
const drawn = Tensor.randn(device, [2], { seed: 1, dtype: 'f64' });
same<typeof drawn, Tensor<'f64'>>(true);
const listed64 = Tensor.from(device, new Float64Array(2), [2]);
same<typeof listed64, Tensor<'f64'>>(true);
const ids = Tensor.from(device, new Int32Array(2), [2]);
same<typeof ids, Tensor<'i32'>>(true);
const numbers = Tensor.from(device, [1, 2], [2]);
same<typeof numbers, Tensor<'f32'>>(true);
const bits = Tensor.from(device, new Uint16Array(2), [2], { dtype: 'bf16' });
same<typeof bits, Tensor<'bf16'>>(true);
const half = exact.cast('f16').reshape([2, 1]).copy();
same<typeof half, Tensor<'f16'>>(true);
const part = half.rows(0, 1);
same<typeof part, Tensor<'f16'>>(true);
const anyDtype: Tensor = half;
async function reading(dtype: Dtype): Promise<void> {
  const single: Float32Array = await zeros.read();
  const double: Float64Array = await orthogonalize(exact).read();
  const raw: Uint16Array = await half.read();
  const total: number = single.reduce((sum, x) => sum + x, 0) + double.reduce((sum, x) => sum + x, 0);
  // @ts-expect-error
  const wrong: Float32Array = await exact.read();
  // @ts-expect-error
  const unknown: Float32Array = await anyDtype.read();
  // @ts-expect-error
  const chosen: Float32Array = await Tensor.zeros(device, [2], { dtype }).read();
  console.log(raw, total, wrong, unknown, chosen);
}

// Results keep the dtype of what they are computed from.
async function computing(either: 'f32' | 'f64'): Promise<void> {
  const { q, r } = await qr(exact);
  const { u, s, v } = await svd(exact);
  const { s: alone } = await svd(zeros, { vectors: false });
  const { values, vectors } = await eigh(exact);
  const { lu: triangles, pivots } = await lu(exact);
  const factors = [q, r, u, s, v, values, vectors, triangles, await cholesky(exact), await polar(exact)];
  same<(typeof factors)[number], Tensor<'f64'>>(true);
  same<typeof alone, Tensor<'f32'>>(true);
  same<typeof pivots, Tensor<'i32'>>(true);
  const sketch = await randomizedSvd(exact, { rank: 1 });
  const solved = [await solve(exact, exact), await lstsq(exact, exact), sketch.u, sketch.s, sketch.v];
  same<(typeof solved)[number], Tensor<'f64'>>(true);
  const operator = matrixOperator(exact);
  const [{ x }, least] = [await cg(operator, exact), await minres(operator, zeros)];
  same<typeof x, Tensor<'f64'>>(true);
  same<typeof least.x, Tensor<'f32'>>(true);
  const seen = await randomizedSvd(operator, { rank: 1 });
  same<typeof seen.s, Tensor<'f64'>>(true);
  const open: Tensor = await cholesky(anyDtype);
  const one = await cholesky(Tensor.zeros(device, [2, 2], { dtype: either }));
  same<typeof one, Tensor<'f32' | 'f64'>>(true);

  const result = await sinkhorn(zeros);
  const { values: large } = await result.plan({ threshold: 1e-3 });
  const plan = await result.plan();
  const { a, eps } = await result.pullback({ cost: 1 }, ['a', 'eps']);
  const potentials = [result.f, result.g, plan, await result.gradient('cost'), a];
  same<(typeof potentials)[number], Tensor<'f32'>>(true);
  same<typeof large, Float32Array>(true);
  const moved = await result.apply(exact);
  same<typeof moved, Tensor<'f64'>>(true);
  const clouds: TransportResult<'f64'> = await sinkhorn({ x: exact, y: exact });
  const some: TransportResult = await sinkhorn(anyDtype);
  const slope = await (await sinkhornDivergence({ x: exact, y: exact })).gradient('x');
  same<typeof slope, Tensor<'f64'>>(true);
  const batch = await transportBatch([zeros]);
  const [plans, masses] = [await batch.plan(), await batch.gradient('a')];
  same<typeof plans, Tensor<'f32'>>(true);
  same<typeof masses, Tensor<'f64'>>(true);

  const code = new SparseCode(device, 1, 1, 2, 'f64');
  const signals = reconstruct(code, exact);
  const dense = await toDense(code);
  same<typeof signals, Tensor<'f64'>>(true);
  same<typeof dense, Tensor<'f64'>>(true);
  const total: number = eps + signals.size;
  console.log(open, clouds, some, total);
}
// @ts-expect-error
const narrowed: Tensor<'f32'> = anyDtype;
// @ts-expect-error
const other: Tensor<'f32'> = exact;
// @ts-expect-error
Tensor.zeros(device, [2], { dtypo: 'f32' });
console.log(reading, computing, narrowed, other);

// What is internal, settled or unknown is refused.
const group = optimizer.groups[0]!;
group.lr = 0.01;
// @ts-expect-error
group.stateDtype = 'f64';
// @ts-expect-error
group.nsDtype = 'f64';
// @ts-expect-error
optimizer.prepare([null]);
// @ts-expect-error
optimizer.part();
// @ts-expect-error
weights._write(new Float32Array(4));
// @ts-expect-error
device._info();
// @ts-expect-error
new Device('cpu');
// @ts-expect-error
new Optimizer('own', [weights], {}, {});
// @ts-expect-error
optimizer.update();

const fields: Parameters<Ops['gemm']>[1] = { a: weights, b: weights, c: weights, transA: 'transposed' };
ops.gemm(device, fields);
// @ts-expect-error
ops.gemm(device, { a: weights, b: weights });

new Muon([weights], { lr: undefined });
// @ts-expect-error
new Muon([weights], { betas: [0.9, 0.99] });
// @ts-expect-error
new Muon([{ params: [weights], betas: [0.9, 0.99] }]);

const combined = combine([
  { optimizer: Muon, params: [weights], lr: 0.02, nsSteps: 5 },
  { optimizer: AdamW, params: [{ params: [weights], betas: [0.9, 0.99] }] },
]);
const rate: number = combined.parts[0]!.groups[0]!.lr;
// @ts-expect-error
const text: string = combined.parts[0]!.groups[0]!.lr;

// Groups and parts have the options of their classes.
const muonGroup = combined.groups[0];
muonGroup.momentum = 0.8;
combined.groups[1].eps = 1e-6;
combined.groups[1].betas = [0.8, 0.99];
combined.parts[0].groups[0]!.nesterov = false;
// @ts-expect-error
combined.groups[1].momentum = 0.8;
// @ts-expect-error
combined.groups[0].betas = [0.8, 0.99];
// @ts-expect-error
combined.groups[0].nsDtype = 'f64';
// @ts-expect-error
combined.groups[2];
// @ts-expect-error
combined.parts[2];
// Lists of a length that is not known: the groups in front of them are.
const lists: Tensor[] = [weights];
const rest = lists.map((w) => ({ params: [w], lr: 0.1 }));
const listed = combine([
  { optimizer: Muon, params: lists },
  { optimizer: AdamW, params: rest },
]);
listed.groups[0].momentum = 0.7;
listed.groups[3]!.betas = [0.8, 0.99];
for (const each of listed.groups) each.lr *= 0.5;
// For code that takes any of them.
const all: CombinedOptimizer = listed;
const any: AnyOptimizer = listed;
all.groups[0]!.lr = any.groups[0]!.lr;
for (const part of all.parts) part.groups[0]!.lr = 0;
// @ts-expect-error
combine([{ optimizer: Muon, params: [weights], betas: [0.9, 0.99] }]);
// @ts-expect-error
combine([{ optimizer: AdamW, params: [{ params: [weights], nsSteps: 5 }] }]);
// @ts-expect-error
combine([{ optimizer: AdamW, params: [weights], nonFinite: 'skip' }]);
console.log(rate, text);
