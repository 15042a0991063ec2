// Devices: cpu
// Every function of test/nn/cases as calls take it: frozen inputs, operations that throw, recompute, numbers of threads.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor, type TypedArray } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { onlyCpu } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { seeingOperations, writesOf } from '../support/operations.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { indexFor, lossOf, type Model, made } from './case-losses.ts';
import { type Case, cases } from './cases.ts';

/** Dtypes of wide rows. */
const wide = goal('R8', { ci: 1, deep: 2 });

const bitsOf = ({ value, grads }: nn.ValueAndGrads): Promise<TypedArray[]> =>
  Promise.all([value, ...grads.values()].map((tensor) => tensor.read()));

describe.each(onlyCpu)('functions of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const all = cases(33);
  const index = indexFor(device, 33);

  describe.each(all.map((one) => [one.name, one] as const))('%s', (_, one) => {
    it('queues nothing on the way back for inputs that are frozen', () => {
      const { model } = made(device, one, 'f32');
      const other = Tensor.zeros(device, [1]);
      /** Tensors that are written on the way back to what is trained, and to another parameter. */
      const written = (trained: Model, frozen: Model) => {
        const loss = lossOf(device, one, 'f32');
        let count = 0;
        const fn = (p: nn.Traced<{ case: Model; other: Tensor }>, rows: Tensor) => {
          const terms: [number, nn.Value][] = [
            [1, loss({ ...p.case, ...frozen }, rows)],
            [1, nn.sum(p.other)],
          ];
          const value = nn.weighted(terms);
          count = 0;
          return value;
        };
        using step = nn.valueAndGrad(fn, one.options);
        const { grads } = seeingOperations(
          (name, values) => {
            count += writesOf(name, values);
          },
          () => step({ case: trained, other }, index),
        );
        return { count, grads };
      };
      const whole = written(model, {});
      for (const [name, tensor] of Object.entries(model)) {
        // The one operation of all gradients of layerNorm writes that of x in any case.
        if (!whole.grads.has(tensor) || (name === 'x' && one.name.startsWith('layerNorm'))) continue;
        const { [name]: _, ...trained } = model;
        expect(written(trained, { [name]: tensor }).count, name).toBeLessThan(whole.count);
      }
      expect(written({}, model).count).toBe(1);
    });

    it('has the same bits under recompute, and as a micro-batch alone', async () => {
      const { model } = made(device, one, 'f32');
      using step = nn.valueAndGrad(lossOf(device, one, 'f32'), one.options);
      const expected = await bitsOf(step(model, index));
      const same = async (got: nn.ValueAndGrads) => {
        for (const [i, bits] of (await bitsOf(got)).entries()) expect(sameBits(bits, expected[i]!)).toBe(true);
      };
      using micro = nn.valueAndGrad(lossOf(device, one, 'f32'), one.options);
      await same(micro.accumulate(model, index));
      const again: Case = { ...one, call: nn.recompute(one.call) };
      using other = nn.valueAndGrad(lossOf(device, again, 'f32'), one.options);
      await same(other(model, index));
    });

    // By the loss of what is no linear function, whose second derivative has other signs.
    if (one.hasCurvature)
      it('has a curvature that is symmetric and not negative behind other functions', async () => {
        const { model, direction } = made(device, one, 'f64');
        const bent = (p: Parameters<Case['call']>[0]) =>
          Object.fromEntries(Object.entries(p).map(([name, x]) => [name, nn.gelu(nn.multiply(x, x))]));
        const loss = lossOf(device, { ...one, call: (p, ...others) => one.call(bent(p), ...others) }, 'f64');
        using product = nn.gaussNewton(loss, one.options);
        const { direction: directions } = made(device, one, 'f64', 2);
        const second = new Map(Object.values(model).map((tensor, i) => [tensor, [...directions.values()][i]!]));
        const along = async (v: nn.PerParameter) =>
          Promise.all([...product(model, v, index).product.values()].map((tensor) => tensor.copy().read()));
        const read = (v: nn.PerParameter) => Promise.all([...v.values()].map((tensor) => tensor.read()));
        const [gv, gw] = [await along(direction), await along(second)];
        const [v, w] = [await read(direction), await read(second)];
        const terms = (a: readonly TypedArray[], b: readonly TypedArray[]) =>
          a.flatMap((values, i) => Array.from(values, (x, j) => x * b[i]![j]!));
        const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
        const size = sum(terms(gv, w).map(Math.abs));
        expect(Math.abs(sum(terms(gv, w)) - sum(terms(gw, v)))).toBeLessThan(1e-12 * size);
        expect(sum(terms(gv, v))).toBeGreaterThan(0);
        expect(sum(terms(gw, w))).toBeGreaterThan(0);
      });
  });

  it('leave nothing of an operation that throws, whichever it is', async () => {
    const thrown = new Error('of the test');
    const runs = all.map((one) => {
      const { model } = made(device, one, 'f32');
      const step = nn.valueAndGrad(lossOf(device, one, 'f32'), one.options);
      const run = () => {
        step.calls = 0;
        return step(model, index);
      };
      run();
      return { one, step, run };
    });
    const { live, bytes } = await settledMemory(device);
    for (const { one, run } of runs) {
      const expected = await bitsOf(run());
      let count = 0;
      for (let ended = false; !ended; ++count) {
        let left = count;
        const stop = () => {
          if (left === 0) throw thrown;
          left -= 1;
        };
        try {
          seeingOperations(stop, run);
          ended = true;
        } catch (error) {
          expect(error).toBe(thrown);
        }
        expect(device.info.memory, `${one.name}, operation ${count}`).toMatchObject({ live, bytes });
      }
      expect(count).toBeGreaterThan(2);
      for (const [i, bits] of (await bitsOf(run())).entries())
        expect(sameBits(bits, expected[i]!), one.name).toBe(true);
    }
    for (const { step } of runs) step.dispose();
  });
});

describe.each(onlyCpu)('functions of orthokit/nn on %s', () => {
  const widest = 2e6;
  const pool = normal(widest + 10, 1);
  const pools = { f32: Float32Array.from(pool), f64: pool };

  const check = async (dtype: 'f32' | 'f64', n: number, threads: readonly number[]) => {
    const fitting = cases(n).filter(({ params }) => Object.values(params).every((shape) => sizeOf(shape) <= widest));
    // But for the one with a square matrix of that width.
    expect(fitting.length).toBeGreaterThanOrEqual(cases(n).length - 1);
    const opened = threads.map((of) => Device.open('cpu', { threads: of }));
    for (const one of fitting) {
      let expected: readonly TypedArray[] | undefined;
      for (const device of opened) {
        const model = Object.fromEntries(
          Object.entries(one.params).map(([name, shape], i) => {
            const data = pools[dtype].subarray(i, i + sizeOf(shape));
            return [name, Tensor.from(device, one.isPositive ? data.map((x) => Math.abs(x) + 0.1) : data, shape)];
          }),
        );
        using step = nn.valueAndGrad(lossOf(device, one, dtype), one.options);
        const bits = await bitsOf(step(model, indexFor(device, n)));
        expected ??= bits;
        for (const [i, array] of bits.entries())
          expect(sameBits(array, expected[i]!), `${one.name}, ${device.info.units} threads`).toBe(true);
        for (const tensor of Object.values(model)) tensor.dispose();
      }
    }
    for (const device of opened) await device.close();
  };

  it('give the same bits on any number of threads', () => check('f32', 33, [1, 2, 3, 5, 8]));

  // Rows are more than two chunks of elements, and products are divided.
  it.each(['f32', 'f64'].slice(0, wide.count) as ('f32' | 'f64')[])(
    'R8: give the same bits on any number of threads, of wide rows of %s',
    wide.tagged,
    (dtype) => check(dtype, 12_000, wide.deep ? [1, 2, 3, 5, 8] : [1, 3]),
  );
});
