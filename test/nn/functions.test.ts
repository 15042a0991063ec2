// Devices: cpu, cuda
// Every function of test/nn/cases: gradients against differences, tangents against gradients, bits, buffers.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Tensor, type TypedArray } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices, kind as runs } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { leavesMemory } from '../support/settled.ts';
import { indexFor, lossOf, type Model, made } from './case-losses.ts';
import { cases } from './cases.ts';

const inner = async (a: nn.PerParameter, b: nn.PerParameter): Promise<number> => {
  let sum = 0;
  for (const [parameter, x] of a) {
    const y = b.get(parameter);
    if (!y) continue;
    const [p, q] = await Promise.all([x.read(), y.read()]);
    for (const [i, value] of p.entries()) sum += value * q[i]!;
  }
  return sum;
};
const areSame = (a: readonly TypedArray[], b: readonly TypedArray[]): boolean =>
  a.length === b.length && a.every((array, i) => sameBits(array, b[i]!));
/** The elements as numbers. */
const numbersIn = async (tensor: Tensor): Promise<ArrayLike<number>> => tensor.cast('f64').read();
const first = async (tensor: Tensor): Promise<number> => (await tensor.read())[0]!;

/** Fewer on the emulated device: below a warp, a warp and one thread, the 256 threads of a block and some of a warp. */
const sizes = runs === 'cpu' ? [1, 31, 33, 597] : [1, 33, 261];

describe.each(devices)('functions of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(sizes)('of width %i', (n) => {
    const index = indexFor(device, n);
    describe.each(cases(n).map((one) => [one.name, one] as const))('%s', (_name, one) => {
      it('has the gradient of its differences', async () => {
        const { model, data, direction } = made(device, one, 'f64');
        using step = nn.valueAndGrad(lossOf(device, one, 'f64'), one.options);
        const { grads } = step(model, index);
        const slope = await inner(grads, direction);
        const at = async (length: number): Promise<number> => {
          for (const [name, tensor] of Object.entries(model)) {
            if (!grads.has(tensor)) continue;
            const along = await direction.get(tensor)!.read();
            tensor.write(data.get(name)!.map((x, i) => x + length * along[i]!));
          }
          step.calls = 0;
          return first(step(model, index).value);
        };
        // A direction of many elements is long.
        const h = n > 100 ? 2e-4 : 1e-3;
        // Fourth order.
        const [a, b, c, d] = [await at(h), await at(-h), await at(2 * h), await at(-2 * h)];
        const expected = (8 * (a - b) - (c - d)) / (12 * h);
        expect(Math.abs(slope - expected)).toBeLessThan(1e-7 * (1 + Math.abs(expected)));
      });

      it('gives the same bits again from the same buffers, and leaves its inputs', async () => {
        const { model } = made(device, one, 'f32');
        using step = nn.valueAndGrad(lossOf(device, one, 'f32'), one.options);
        const before = await Promise.all(Object.values(model).map((tensor) => tensor.read()));
        const run = async () => {
          step.calls = 0;
          const { value, grads } = step(model, index);
          const tensors = [value, ...grads.values()];
          return { tensors, bits: await Promise.all(tensors.map((tensor) => tensor.read())) };
        };
        const firstRun = await run();
        await leavesMemory(device, async () => {
          const [second, third] = [await run(), await run()];
          for (const { bits } of [second, third]) expect(areSame(bits, firstRun.bits)).toBe(true);
          expect(third.tensors.map((tensor, i) => tensor === second.tensors[i])).not.toContain(false);
        });
        const after = await Promise.all(Object.values(model).map((tensor) => tensor.read()));
        expect(areSame(after, before)).toBe(true);
      });

      it('adds to the gradients of the call before', async () => {
        const { model } = made(device, one, 'f64');
        using step = nn.valueAndGrad(lossOf(device, one, 'f64'), one.options);
        const read = async (grads: nn.PerParameter) => Promise.all([...grads.values()].map((tensor) => tensor.read()));
        const { data } = made(device, one, 'f64', 2);
        const before = await read(new Map(Object.entries(model).map(([, tensor]) => [tensor, tensor])));
        const move = (to: readonly ArrayLike<number>[]) => {
          for (const [i, tensor] of Object.values(model).entries()) tensor.write(Float64Array.from(to[i]!));
        };
        const run = async (call: typeof step | typeof step.accumulate, at: readonly ArrayLike<number>[]) => {
          move(at);
          step.calls = 0;
          return read(call(model, index).grads);
        };
        const here = await run(step, before);
        const there = await run(step, [...data.values()]);
        await run(step, before);
        const both = await run(step.accumulate, [...data.values()]);
        for (const [i, values] of both.entries()) {
          const [a, b] = [here[i]!, there[i]!];
          const far = values.findIndex(
            (x, j) => !(Math.abs(x - a[j]! - b[j]!) < 1e-12 * (1 + Math.abs(a[j]!) + Math.abs(b[j]!))),
          );
          expect(far).toBe(-1);
        }
      });

      if (one.hasCurvature)
        it('has a curvature that is the second derivative', async () => {
          const { model, direction } = made(device, one, 'f64');
          const loss = lossOf(device, one, 'f64');
          using product = nn.gaussNewton(loss, one.options);
          using hessian = nn.hvp(loss, one.options);
          const { product: gv } = product(model, direction, index);
          const { product: hv } = hessian(model, direction, index);
          expect([...gv.keys()]).toEqual(Object.values(model));
          for (const [parameter, values] of gv) {
            const [a, b] = await Promise.all([values.read(), hv.get(parameter)!.read()]);
            for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!)).toBeLessThan(1e-9 * (1 + Math.abs(x)));
          }
        });

      if (one.isLoss || one.hasNoTangent) return;
      it('has a tangent that is the adjoint of its gradient', async () => {
        const { model, direction } = made(device, one, 'f64');
        using slope = nn.jvp((p: nn.Traced<Model>, i: Tensor) => one.call(p, i, i), one.options);
        using step = nn.valueAndGrad(lossOf(device, one, 'f64'), one.options);
        const { tangent } = slope(model, direction, index);
        const against = normal(tangent.size, 5);
        const terms = [...(await tangent.read())].map((x, i) => x * against[i]!);
        const [left, size] = [terms.reduce((a, b) => a + b, 0), terms.reduce((a, b) => a + Math.abs(b), 0)];
        const right = await inner(step(model, index).grads, direction);
        expect(Math.abs(left - right)).toBeLessThan(1e-12 * (1 + size));
      });
    });
  });
});

describe.each(devices)('functions of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(cases(33).map((one) => [one.name, one] as const))('%s', (_, one) => {
    const index = indexFor(device, 33);

    // Against f64 on the same numbers. Each function rounds its result and each gradient once, to half a unit of the
    // element; a case is a chain of at most six of them, back as well as there, of which terms may cancel.
    it.each([
      ['f16', 2 ** -11],
      ['bf16', 2 ** -8],
    ] as const)('in %s is as near as its storage rounds', async (dtype, half) => {
      const { model, direction } = made(device, one, dtype);
      const widened = (tensors: Iterable<[string, Tensor]>): Model =>
        Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.cast('f64')]));
      const wide = widened(Object.entries(model));
      const near = async (actual: Tensor, expected: Tensor, what: string) => {
        const [a, b] = [await numbersIn(actual), await numbersIn(expected)];
        const largest = Math.max(...Array.from(b, Math.abs));
        const worst = Math.max(...Array.from(b, (y, i) => Math.abs(y - a[i]!)));
        expect(worst, what).toBeLessThanOrEqual(12 * half * largest);
      };
      using step = nn.valueAndGrad(lossOf(device, one, dtype), one.options);
      using exact = nn.valueAndGrad(lossOf(device, one, 'f64', dtype), one.options);
      const [got, expected] = [step(model, index), exact(wide, index)];
      for (const [name, tensor] of Object.entries(model)) {
        const grad = expected.grads.get(wide[name]!);
        expect(got.grads.has(tensor)).toBe(grad !== undefined);
        if (!grad) continue;
        expect(got.grads.get(tensor)!.dtype).toBe(dtype);
        await near(got.grads.get(tensor)!, grad, name);
      }
      if (one.isLoss) await near(got.value, expected.value, 'value');
      if (one.isLoss || one.hasNoTangent) return;
      using slope = nn.jvp((p: nn.Traced<Model>, i: Tensor) => one.call(p, i, i), one.options);
      using exactSlope = nn.jvp((p: nn.Traced<Model>, i: Tensor) => one.call(p, i, i), one.options);
      const along = new Map(
        Object.entries(model).map(([name, tensor]) => [wide[name]!, direction.get(tensor)!.cast('f64')]),
      );
      const [found, known] = [slope(model, direction, index), exactSlope(wide, along, index)];
      await near(found.value, known.value, 'result');
      await near(found.tangent, known.tangent, 'tangent');
    });
  });
});
