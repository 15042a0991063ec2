// Devices: cpu, cuda
// Networks have the losses, gradients and products that PyTorch has, in f64.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { sizeOf } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { splitmixMatrix } from '../support/splitmix.ts';
import { forwards, type Network } from './networks.ts';

type Numbers = Readonly<Record<string, readonly number[]>>;
interface Problem {
  readonly params: readonly (readonly [path: string, shape: readonly number[], shift: number])[];
  readonly input: { readonly shape: readonly number[]; readonly data: readonly number[] };
  readonly labels: readonly number[];
  readonly loss: number;
  readonly gradient: Numbers;
  readonly tangent: readonly number[];
  readonly gaussNewton?: Numbers;
  readonly hessian?: Numbers;
  /** Before each step of AdamW. */
  readonly losses: readonly number[];
  /** The losses before the steps 19, 39, … 499 at another rate, the first step being 0. */
  readonly slow?: { readonly rate: number; readonly losses: readonly number[] };
}
const file = path.join(import.meta.dirname, '..', 'golden', 'networks.json');
const { problems } = JSON.parse(readFileSync(file, 'utf8')) as { problems: Readonly<Record<string, Problem>> };

/** An object with tensors at these paths. */
function nested(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const model = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const steps = name.split('.');
    const last = steps.pop()!;
    let at: Record<string, object> = model;
    for (const step of steps) {
      at[step] ??= {};
      at = at[step] as Record<string, object>;
    }
    at[last] = tensor;
  }
  return model;
}

describe.each(devices)('networks of PyTorch on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const values = (shape: readonly number[], seed: number, shift = 0, factor = 1) =>
    Tensor.from(
      device,
      splitmixMatrix(1, sizeOf(shape), seed).map((x) => factor * x + shift),
      shape,
    );

  describe.each(Object.entries(forwards))('%s', (name, forward) => {
    const problem = problems[name]!;
    const tensors = Object.fromEntries(
      problem.params.map(([one, shape, shift], i) => [one, values(shape, i + 1, shift, 0.5)]),
    );
    const model = nested(tensors) as unknown as Network;
    const v = new Map(
      problem.params.map(([one, shape], i): [Tensor, Tensor] => [tensors[one]!, values(shape, i + 101)]),
    );
    const { shape, data } = problem.input;
    const isText = data.every((x) => Number.isInteger(x));
    const x = isText
      ? Tensor.from(device, Int32Array.from(data), shape)
      : Tensor.from(device, Float64Array.from(data), shape);
    const labels = Tensor.from(device, Int32Array.from(problem.labels), [problem.labels.length]);
    const loss = (m: nn.Traced<Network>, input: Tensor, target: Tensor) => {
      const logits = forward(m, input);
      return nn.crossEntropy(nn.reshape(logits, [target.size, logits.shape.at(-1)!]), target);
    };

    /** Every number is within a share of the largest. */
    const expectNear = (got: ArrayLike<number>, expected: readonly number[], share: number): void => {
      expect(got).toHaveLength(expected.length);
      const largest = Math.max(...expected.map(Math.abs));
      for (const [i, y] of expected.entries()) expect(Math.abs(got[i]! - y)).toBeLessThanOrEqual(share * largest);
    };
    const expectAll = async (got: nn.PerParameter, expected: Numbers, share: number): Promise<void> => {
      const largest = Math.max(...Object.values(expected).flat().map(Math.abs));
      for (const [one, numbers] of Object.entries(expected)) {
        const part = await got.get(tensors[one]!)!.read();
        for (const [i, y] of numbers.entries()) expect(Math.abs(part[i]! - y)).toBeLessThanOrEqual(share * largest);
      }
    };

    it('has the loss and the gradients', async () => {
      using step = nn.valueAndGrad(loss);
      const { value, grads } = step(model, x, labels);
      expectNear(await value.read(), [problem.loss], 1e-14);
      await expectAll(grads, problem.gradient, 1e-12);
    });

    it('has the derivative along a direction', async () => {
      using slope = nn.jvp(forward as (m: nn.Traced<Network>, input: Tensor) => nn.Value);
      expectNear(await slope(model, v, x).tangent.read(), problem.tangent, 1e-12);
    });

    const { gaussNewton, hessian } = problem;
    if (gaussNewton)
      it('has the product with the Gauss–Newton matrix', async () => {
        using product = nn.gaussNewton(loss);
        await expectAll(product(model, v, x, labels).product, gaussNewton, 1e-12);
      });

    if (hessian)
      it('has the product with the Hessian', async () => {
        using product = nn.hvp(loss);
        await expectAll(product(model, v, x, labels).product, hessian, 1e-9);
      });

    const lossesOf = async (start: Network, input: Tensor, count: number, lr = 0.01) => {
      const own = nn.mapTensors(start, (tensor) => tensor.copy());
      using step = nn.valueAndGrad(loss);
      using optimizer = new AdamW(nn.select(own, '**'), { lr, weightDecay: 0.1 });
      const found: number[] = [];
      for (let i = 0; i < count; ++i) {
        const { value, grads } = step(own, input, labels);
        found.push((await value.read())[0]!);
        optimizer.step(grads);
      }
      return found;
    };

    // Rounding adds up over all 200 on the CPU; kernels of the other device are in each of the first.
    const losses = kind === 'cpu' ? problem.losses : problem.losses.slice(0, 20);
    it(`has the losses of ${losses.length} steps`, async () =>
      expectNear(await lossesOf(model, x, losses.length), losses, 1e-8));

    const { slow } = problem;
    if (slow && onlyCpu.length > 0)
      it('in f32 it has the losses of 500 steps to 0.01', async () => {
        const single = nn.mapTensors(model, (tensor) => tensor.cast('f32'));
        const found = await lossesOf(single, isText ? x : x.cast('f32'), 500, slow.rate);
        const shown = found.filter((_, i) => i % 20 === 19);
        expect(shown).toHaveLength(slow.losses.length);
        for (const [i, expected] of slow.losses.entries()) expect(Math.abs(shown[i]! - expected)).toBeLessThan(1e-2);
      });
  });
});
