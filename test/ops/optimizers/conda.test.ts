// Devices: cpu, cuda
// Axes: products
// Source: values "Conda" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { basisSides, type CondaOptions, conda } from '../../reference/conda.ts';
import { singularVectors } from '../../reference/singular-vectors.ts';
import { matricesOf } from '../../reference/step.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { checkSteps, describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const basisOf = (shape: readonly number[], side?: CondaOptions['side']): number[] => {
  const { batch, length, vectors } = basisSides(shape, side);
  return [batch, length, vectors];
};
const shapes = [[13, 9], [5, 17], [3, 4, 7], [4, 3, 2, 2], [1, 1], [1, 6], [0, 4]]; // biome-ignore format: one line

/**
 * A rounding of the Gram matrix of momentum, by which singular vectors are found, grows by so much: the least gap of its
 * eigenvalues, as a share of the largest, divides it (Davis and Kahan 1970).
 */
function amplification(shape: readonly number[], index: number): number {
  const size = sizeOf(shape);
  const { batch, rows, columns } = matricesOf(shape);
  const momentum = new Float64Array(size);
  let most = 1;
  for (let step = 1; step <= 3; ++step) {
    for (const [i, g] of normal(size, 100 * step + index).entries()) momentum[i] = 0.9 * momentum[i]! + 0.1 * g;
    for (let s = 0; s < batch; ++s) {
      const own = momentum.subarray(s * rows * columns, (s + 1) * rows * columns);
      const squares = singularVectors(own, rows, columns, true).map((v) => {
        const along = Array.from({ length: columns }, (_, j) =>
          v.reduce((sum, x, i) => sum + x * own[i * columns + j]!, 0),
        );
        return along.reduce((sum, x) => sum + x * x, 0);
      });
      for (let j = 1; j < squares.length; ++j) most = Math.max(most, squares[0]! / (squares[j - 1]! - squares[j]!));
    }
  }
  return most;
}

const method: Method = {
  op: 'conda',
  reference: each(conda),
  // An eps of the size of gradients: else a small element moves as far as others, and its rounding with it.
  options: { lr: 0.02, eps: 0.1, gap: 2 },
  states: {
    momenta: 'like',
    roots: 'like',
    bases: (shape, dtype) => ({ shape: basisOf(shape), dtype }),
  },
  counts: true,
  shapes,
  ulpsOfF64: 16 + Math.max(...shapes.map(amplification)),
};
describeStep(method);

describeCheckValues(method, [
  {
    name: 'std',
    options: { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, gap: 2, scale: 0.25, weightDecay: 0.01 },
    wide: [0.4844532962, 0.0921694192, 0.020315511],
    tall: [0.4855389471, 0.4680063078, 0.0196787038],
  },
]);

describe.each(devices)('conda on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const run = (shape: readonly number[], options: CondaOptions, grads: Float64Array[]) => {
    const { batch, isLeft, vectors } = basisSides(shape, options.side);
    const roots = [batch, ...(isLeft ? [vectors, shape.at(-1)!] : [shape.at(-2)!, vectors])];
    const zeros = (of: readonly number[]) => Tensor.zeros(device, of, { dtype: 'f64' });
    const state = { momenta: zeros(shape), roots: zeros(roots), bases: zeros(basisOf(shape, options.side)) };
    const lists = { ...state, weights: zeros(shape), steps: Tensor.zeros(device, [1], { dtype: 'i32' }) };
    const fields = Object.fromEntries(Object.entries(lists).map(([name, tensor]) => [name, [tensor]]));
    for (const grad of grads)
      ops.conda(device, { ...fields, ...options, grads: [tensorOf(device, grad, shape, 'f64')] } as never);
    return lists;
  };

  it.each(['std', 'reverse_std', 'left', 'right'] as const)('side %s, of each shape', async (side) => {
    for (const shape of [
      [4, 7],
      [7, 4],
      [2, 5, 3],
      [3, 3],
    ]) {
      // biome-ignore format: one line
      const grads = [1, 2, 3].map((seed) => Float64Array.from(normal(sizeOf(shape), seed)));
      const options = { lr: 0.1, gap: 2, side, weightDecay: 0.1 };
      const got = run(shape, options, grads);
      const { batch, isLeft, length, vectors } = basisSides(shape, side);
      const size = batch * (isLeft ? shape.at(-1)! : shape.at(-2)!) * vectors;
      const p = { shape, weights: new Float64Array(sizeOf(shape)), grads: new Float64Array() };
      const state = {
        momenta: new Float64Array(sizeOf(shape)),
        roots: new Float64Array(size),
        bases: new Float64Array(batch * length * vectors),
      };
      for (const [i, grad] of grads.entries()) {
        p.grads = grad;
        conda(p, { ...state, step: i + 1 }, options);
      }
      const close = { dtype: 'f64', ulps: 1e5, magnitude: 1 } as const;
      expectClose(await valuesOf(got.weights), p.weights, close);
      expectClose(await valuesOf(got.roots), state.roots, close);
      expectClose(await valuesOf(got.bases), state.bases, close);
    }
  });

  it.each([
    { dtype: 'f32' },
    { dtype: 'f64' },
    { dtype: 'bf16', gradDtype: 'f32', masters: 'f32' },
    { dtype: 'f64', options: { weightDecay: 0.1, weightDecayMode: 'l2' } },
    { dtype: 'f32', gradScale: 1e-3, options: { weightDecay: 0.1 } },
  ] as const)('the default eps, of gradients whose singular values lie apart: %j', (run) =>
    checkSteps(device, { ...method, options: { lr: 0.02, gap: 2 } }, { ...run, ulps: 4096 }),
  );

  it('takes a new basis every gap steps, and keeps its second moments', async () => {
    const grads = [1, 2, 3, 4].map((seed) => Float64Array.from(normal(12, seed)));
    const bases = await Promise.all(
      [1, 2, 3, 4].map((count) => valuesOf(run([4, 3], { lr: 0.1, gap: 2 }, grads.slice(0, count)).bases)),
    );
    expect(bases[1]).toEqual(bases[0]);
    expect(bases[2]).not.toEqual(bases[1]);
    expect(bases[3]).toEqual(bases[2]);
  });

  it('moves along a gradient of low rank alone', async () => {
    // Columns of every gradient are multiples of one vector.
    const outer = (seed: number) =>
      Float64Array.from([...normal(7, seed)].flatMap((y) => [1, -2, 3, 0.5].map((x) => x * y)));
    const { weights } = run([7, 4], { lr: 1, eps: 0 }, [1, 2, 3].map(outer));
    const w = await valuesOf(weights);
    for (let i = 0; i < 7; ++i) {
      const row = Array.from(w.slice(4 * i, 4 * i + 4));
      expect(Math.abs(row[0]!)).toBeGreaterThan(0.01);
      for (const [j, x] of [1, -2, 3, 0.5].entries()) expect(row[j]! / row[0]!).toBeCloseTo(x, 10);
    }
  });

  it('refuses what does not fit', () => {
    const code = (more: object, shape = [3, 4]) => {
      const like = (of = shape) => [Tensor.zeros(device, of)];
      const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
      const lists = { weights: like(), grads: like(), momenta: like(), roots: like(), bases: like([3, 3]), steps };
      return thrownBy(() => ops.conda(device, { ...lists, lr: 1, ...more } as never)).code;
    };
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' = 'f32') => [Tensor.zeros(device, shape, { dtype })];
    expect(code({}, [4])).toBe('ERR_SHAPE');
    for (const more of [{ bases: zeros([4, 4]) }, { roots: zeros([3, 3]) }, { side: 'right' }])
      expect(code(more)).toBe('ERR_SHAPE');
    for (const more of [{ bases: zeros([3, 3], 'f64') }, { roots: zeros([3, 4], 'i32') }])
      expect(code(more)).toBe('ERR_DTYPE');
    for (const more of [
      { beta1: 1 },
      { beta2: 1 },
      { eps: -1 },
      { gap: 0 },
      { scale: NaN },
      { side: 'both' },
      { roots: [] },
      { bases: [] },
      { steps: [] },
    ])
      expect(code(more)).toBe('ERR_ARGUMENT');
  });
});
