// Devices: cpu, cuda
// A loss as solvers take it.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { checkGradient, lbfgs } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

describe.each(devices)('oracles of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const make = nn.init(device, { seed: 1, dtype: 'f64' });
  const model = {
    up: make.linear(3, 4, { deviation: 0.5 }),
    down: make.linear(4, 2, { deviation: 0.5 }),
    rest: make.norm(2),
  };
  const inputs = [1, 2].map((seed) => Tensor.from(device, normal(15, seed), [5, 3]));
  const targets = [3, 4].map((seed) => Tensor.from(device, normal(10, seed), [5, 2]));
  const loss = (m: nn.Traced<typeof model>, x: Tensor, y: Tensor) =>
    nn.squaredError(nn.linear(m.down, nn.map(nn.linear(m.up, x), 'tanh')), y);
  const batch = (i: number): [Tensor, Tensor] => [inputs[i]!, targets[i]!];
  const like = (tensors: readonly Tensor[], samples?: number) =>
    tensors.map(({ shape }) => Tensor.full(device, samples ? [samples, ...shape] : shape, 7, { dtype: 'f64' }));
  const read = (tensors: readonly Tensor[]) => Promise.all(tensors.map(async (tensor) => [...(await tensor.read())]));
  const scalar = () => Tensor.zeros(device, [1], { dtype: 'f64' });

  it('has values, gradients and products of calls, by mini-batch; what does not matter is 0', async () => {
    using problem = nn.oracle(loss, model, batch);
    using step = nn.valueAndGrad(loss);
    using curvature = nn.gaussNewton(loss);
    using hessian = nn.hvp(loss);
    const { params } = problem;
    expect(params).toEqual(nn.parameters(model));
    const v = params.map(({ size, shape }, i) => Tensor.from(device, normal(size, 10 + i), shape));
    const along = new Map(params.map((parameter, i) => [parameter, v[i]!]));
    const expected = (map: nn.PerParameter) =>
      read(params.map((parameter) => map.get(parameter) ?? Tensor.zeros(device, parameter.shape, { dtype: 'f64' })));
    for (const sample of [0, 1]) {
      const [a, b, out] = [scalar(), scalar(), like(params)];
      await problem.value(a, sample);
      await problem.gradient(out, b, sample);
      const { value, grads } = step(model, ...batch(sample));
      expect(await read([a, b])).toEqual(await read([value, value]));
      expect(await read(out)).toEqual(await expected(grads));
      await problem.gaussNewtonProduct!(v, out, sample);
      expect(await read(out)).toEqual(await expected(curvature(model, along, ...batch(sample)).product));
      await problem.hessianProduct!(v, out, sample);
      expect(await read(out)).toEqual(await expected(hessian(model, along, ...batch(sample)).product));
      const each = like(params, 5);
      await problem.perSampleGradients!(each, sample);
      const sums = (await read(each)).map((values, i) =>
        Array.from({ length: params[i]!.size }, (_, j) =>
          values.reduce((sum, x, k) => (k % params[i]!.size === j ? sum + x / 5 : sum), 0),
        ),
      );
      for (const [i, values] of (await expected(step(model, ...batch(sample)).grads)).entries())
        for (const [j, x] of values.entries()) expect(sums[i]![j]).toBeCloseTo(x, 13);
    }
    const first = scalar();
    await problem.value(first);
    const again = scalar();
    await problem.value(again, 0);
    expect(await read([first])).toEqual(await read([again]));
  });

  it('has a Hessian whose products are exact to 1e-9 for directions of any length, and 0 for one of zeros', async () => {
    const labels = Tensor.from(device, Int32Array.of(0, 1, 2, 3, 0), [5]);
    const line = { up: model.up };
    // Of a linear model the Gauss–Newton matrix is the Hessian, and exact.
    using problem = nn.oracle(
      (m: nn.Traced<typeof line>, x: Tensor) => nn.crossEntropy(nn.linear(m.up, x), labels),
      line,
      (i) => [inputs[i]!],
    );
    for (const length of [1, 1e4, 1e-8, 0]) {
      const v = problem.params.map(
        ({ size, shape }, i) =>
        Tensor.from(device, normal(size, 10 + i).map((one) => length * one), shape), // biome-ignore format: one line
      );
      const [found, exact] = [like(problem.params), like(problem.params)];
      await problem.hessianProduct!(v, found);
      await problem.gaussNewtonProduct!(v, exact);
      const [a, b] = [(await read(found)).flat(), (await read(exact)).flat()];
      const largest = Math.max(...b.map(Math.abs));
      expect(largest > 0).toBe(length > 0);
      for (const [i, value] of a.entries()) expect(Math.abs(value - b[i]!)).toBeLessThanOrEqual(1e-9 * largest);
    }
  });

  it('has a gradient that is that of its values', async () => {
    using problem = nn.oracle(loss, model, batch);
    expect(await checkGradient(problem, { sample: 1 })).toBeLessThan(1e-7);
  });

  it('of some parameters leaves the others, and solvers take it', async () => {
    const own = nn.mapTensors(model, (tensor) => tensor.copy());
    using problem = nn.oracle(loss, own, batch, { params: Object.values(nn.select(own, 'down.*')) });
    const before = await read([own.up.weight]);
    const { value } = await lbfgs(problem, { tol: 1e-8 });
    expect(await read([own.up.weight])).toEqual(before);
    const grads = like(problem.params);
    await problem.gradient(grads);
    for (const values of await read(grads)) for (const x of values) expect(Math.abs(x)).toBeLessThan(1e-5);
    expect(value).toBeGreaterThan(0);
  });

  it('of f32 has no products with the Hessian', () => {
    const wide = nn.mapTensors(model, (tensor) => tensor.cast('f32'));
    using problem = nn.oracle(loss, wide as typeof model, batch);
    expect(problem.hessianProduct).toBeUndefined();
  });

  it('refuses parameters of others', () => {
    const params = [Tensor.zeros(device, [2])];
    expect(() => nn.oracle(loss, model, batch, { params })).toThrow(
      'nn.oracle: params[0] must be a parameter of the model, got another tensor',
    );
    expect(() => nn.oracle(loss, { n: 1 } as never, batch)).toThrow('model must hold a tensor that is trained');
  });

  it('gives everything back', async () => {
    const { live } = await settledMemory(device);
    const problem = nn.oracle(loss, model, batch);
    const out = like(problem.params);
    await problem.gradient(out);
    await problem.hessianProduct!(nn.parameters(model), out);
    problem.dispose();
    for (const tensor of out) tensor.dispose();
    expect(device.info.memory.live).toBe(live);
  });
});
