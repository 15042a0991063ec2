// Devices: cpu, cuda
// Two losses as methods for problems of two levels take them; values and slopes of the implicit function are compared.
import { afterAll, describe, expect, it } from 'vitest';
import { type BilevelOracle, BoRep, checkHypergradient, finiteDifferences } from '../../lib/bilevel/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';

const [samples, width] = [6, 3];

describe.each(devices)('nn.bilevel on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const from = (numbers: Float64Array, shape: number[], dtype: 'f32' | 'f64') =>
    Tensor.from(device, dtype === 'f64' ? numbers : Float32Array.from(numbers), shape);
  /** Weights of samples above, a logistic regression with a penalty below; labels are −1 and 1, with the sign turned. */
  const scene = (dtype: 'f32' | 'f64' = 'f64', penalty = 0.01) => {
    const make = nn.init(device, { seed: 1, dtype });
    const x = { logits: from(normal(samples, 1), [samples, 1], dtype) };
    const y = { layer: make.linear(width, 1, { deviation: 0.3 }) };
    const data = [2, 3, 4].map((seed) => [from(normal(samples * width, seed), [samples, width], dtype), from(normal(samples, 10 + seed).map((one) => -Math.sign(one)), [samples, 1], dtype)] as [Tensor, Tensor]); // biome-ignore format: one line
    const losses = (model: nn.Traced<typeof y>, input: Tensor, labels: Tensor) =>
      nn.map(nn.multiply(nn.linear(model.layer, input), labels), 'softplus');
    const squares = (one: nn.Arg) => nn.sum(nn.multiply(one, one));
    const lower = (of: nn.Traced<typeof x>, model: nn.Traced<typeof y>, input: Tensor, labels: Tensor) =>
      nn.weighted([
        [1, nn.mean(nn.multiply(nn.map(of.logits, 'sigmoid'), losses(model, input, labels)))],
        [0.1, squares(model.layer.weight)],
        [0.1, squares(model.layer.bias!)],
      ]);
    const upper = (of: nn.Traced<typeof x>, model: nn.Traced<typeof y>, input: Tensor, labels: Tensor) => {
      const loss = nn.mean(losses(model, input, labels));
      return penalty === 0 ? loss : nn.weighted([[1, loss], [penalty, squares(of.logits)]]); // biome-ignore format: one line
    };
    const lowerBatch = (sample: number) => data[sample]!;
    return { x, y, lower, upper, lowerBatch, upperBatch: () => data[2]! };
  };
  const oracle = ({ x, y, lower, upper, ...batches }: ReturnType<typeof scene>) =>
    nn.bilevel(lower, upper, x, y, batches);
  const like = (tensors: readonly Tensor[]) =>
    tensors.map(({ shape, dtype }) => Tensor.full(device, shape, 7, { dtype: dtype as 'f64' }));
  const read = (tensors: readonly Tensor[]) =>
    Promise.all(tensors.map(async (tensor) => [...(await tensor.read())].map(Number)));

  it('its derivatives fit its values, whether or not x matters above', async () => {
    for (const penalty of [0.01, 0]) {
      using problem = oracle(scene('f64', penalty));
      const before = await read([...problem.x, ...problem.y]);
      if (kind === 'cpu') expect((await checkHypergradient(problem)).error).toBeLessThan(1e-6);
      expect(await read([...problem.x, ...problem.y])).toEqual(before);
      const out = like(problem.x);
      await problem.upperGradientX(out);
      const logits = (await read(problem.x))[0]!;
      for (const [i, value] of (await read(out))[0]!.entries()) expect(value).toBeCloseTo(2 * penalty * logits[i]!, 14);
    }
  });

  it('refuses models whose tensors were replaced, and batches that are no list', async () => {
    const parts = scene();
    using problem = oracle(parts);
    const [ofX, ofY, value] = [like(problem.x), like(problem.y), Tensor.zeros(device, [1], { dtype: 'f64' })];
    const calls = [
      () => problem.lowerGradientY(ofY),
      () => problem.lowerGradientX!(ofX),
      () => problem.upperValue!(value),
      () => problem.upperGradientX(ofX),
      () => problem.upperGradientY(ofY),
      () => problem.lowerHessianYY!(problem.y, ofY),
      () => problem.lowerJacobianXY!(problem.y, ofX),
    ];
    const code = (call: () => unknown) => {
      try {
        call();
        return 'done';
      } catch (error) {
        return `${(error as { code: string }).code} ${(error as Error).message}`;
      }
    };
    const words = 'must have the parameters that it had at the call of nn.bilevel, got others';
    const { logits } = parts.x;
    parts.x.logits = logits.copy() as typeof logits;
    for (const call of calls) expect(code(call)).toBe(`ERR_STATE nn.bilevel: x ${words}`);
    parts.x.logits = logits;
    const { weight } = parts.y.layer;
    parts.y.layer.weight = weight.copy();
    for (const call of calls) expect(code(call)).toBe(`ERR_STATE nn.bilevel: y ${words}`);
    parts.y.layer.weight = weight;
    for (const call of calls) expect(code(call)).toBe('done');
    for (const name of ['lowerBatch', 'upperBatch'] as const)
      for (const wrong of [undefined, {}, 'no', 3]) {
        using other = oracle({ ...parts, [name]: () => wrong });
        const call = () => (name === 'lowerBatch' ? other.lowerGradientY(ofY) : other.upperGradientY(ofY));
        expect(code(call)).toMatch(`ERR_ARGUMENT nn.bilevel: ${name} must return a list of arguments, got `);
      }
  });

  it('each product is that of differences of gradients, for the mini-batch that is named', async () => {
    using problem = oracle(scene());
    const { x, y, lowerGradientX, lowerGradientY, upperGradientX, upperGradientY } = problem;
    const other = finiteDifferences({ x, y, lowerGradientX: lowerGradientX!, lowerGradientY, upperGradientX, upperGradientY }); // biome-ignore format: one line
    const v = y.map(({ size, shape }, i) => Tensor.from(device, normal(size, 20 + i), shape));
    const seen: number[][] = [];
    for (const sample of [0, 1])
      for (const name of ['lowerHessianYY', 'lowerJacobianXY'] as const) {
        const [exact, found] = [like(name === 'lowerHessianYY' ? y : x), like(name === 'lowerHessianYY' ? y : x)];
        await problem[name]!(v, exact, sample);
        await other[name](v, found, sample);
        const [a, b] = [(await read(exact)).flat(), (await read(found)).flat()];
        for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 7);
        seen.push(a);
      }
    expect(seen[0]).not.toEqual(seen[2]);
    expect(seen[1]).not.toEqual(seen[3]);
  });

  it('products are those of the closed form for v of any length, and 0 for a v of zeros', async () => {
    const made = scene();
    using problem = oracle(made);
    const [[logits], [weight, bias], [input, labels]] = await Promise.all([read(problem.x), read(problem.y), read(made.lowerBatch(0))]); // biome-ignore format: one line
    const direction = [normal(width, 20), normal(1, 21)] as const;
    // Of each sample: the input with a 1 for the bias, and the slope and bend of its loss, softplus(label · score).
    const expected = { lowerHessianYY: new Array<number>(width + 1).fill(0), lowerJacobianXY: [] as number[] };
    for (let i = 0; i < samples; ++i) {
      const row = [...input!.slice(i * width, (i + 1) * width), 1];
      const along = (w: readonly number[]) => row.reduce((sum, value, j) => sum + value * w[j]!, 0);
      const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
      const [share, slope] = [sigmoid(logits![i]!), sigmoid(labels![i]! * along([...weight!, ...bias!]))];
      const change = along([...direction[0], ...direction[1]]);
      for (const [j, value] of row.entries())
        expected.lowerHessianYY[j]! += (share * slope * (1 - slope) * labels![i]! ** 2 * change * value) / samples;
      expected.lowerJacobianXY.push((share * (1 - share) * slope * labels![i]! * change) / samples);
    }
    for (const [j, value] of [...direction[0], ...direction[1]].entries()) expected.lowerHessianYY[j]! += 0.2 * value;
    for (const length of [1, 1e4, 1e-8, 1e150, 1e-150, 0])
      for (const name of ['lowerHessianYY', 'lowerJacobianXY'] as const) {
        const out = like(name === 'lowerHessianYY' ? problem.y : problem.x);
        const v = direction.map((part, i) => Tensor.from(device, part.map((one) => length * one), problem.y[i]!.shape)); // biome-ignore format: one line
        await problem[name]!(v, out, 0);
        const largest = length * Math.max(...expected[name].map(Math.abs));
        for (const [i, value] of (await read(out)).flat().entries())
          expect(Math.abs(value - length * expected[name][i]!)).toBeLessThanOrEqual(1e-10 * largest);
      }
  });

  it('of f32 it has no second derivatives, but those that are asked for', async () => {
    using problem = oracle(scene('f32'));
    expect(problem.lowerHessianYY).toBeUndefined();
    expect(() => new BoRep(problem, { lr: 0.1, lowerLr: 0.2, nu: 0.2 })).toThrow(/lowerHessianYY/);
    if (kind === 'cpu') expect((await checkHypergradient(finiteDifferences(problem))).error).toBeLessThan(0.05);
  });

  it('methods take it', async () => {
    const made = scene();
    using problem = oracle(made);
    const value = Tensor.zeros(device, [1], { dtype: 'f64' });
    const method = new BoRep(problem, { lr: 0.2, lowerLr: 0.5, nu: 0.5, refine: kind === 'cpu' });
    await method.init();
    await problem.upperValue!(value);
    const [before] = (await read([value]))[0]!;
    for (let t = 0; t < (kind === 'cpu' ? 30 : 2); ++t) await method.step(0);
    await problem.upperValue!(value);
    if (kind === 'cpu') expect((await read([value]))[0]![0]!).toBeLessThan(before!);
    expect((await read(problem.x))[0]).not.toEqual([...normal(samples, 1)]);
    method.dispose();
  });

  it('refuses what are no losses, models and options', () => {
    const { x, y, lower, upper } = scene();
    const code = (...args: unknown[]) => {
      try {
        (nn.bilevel as (...args: unknown[]) => BilevelOracle & nn.Call)(...args).dispose();
        return 'done';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(lower, upper, x, y)).toBe('done');
    for (const args of [[1, upper, x, y], [lower, undefined, x, y], [lower, upper, {}, y], [lower, upper, x, 5], [lower, upper, x, { ...y, more: x.logits }], [lower, upper, x, y, { lowerBatch: 1 }]]) // biome-ignore format: one line
      expect(code(...args)).toBe('ERR_ARGUMENT');
    expect(code(lower, upper, x, scene('f32').y)).toBe('ERR_DTYPE');
  });
});
