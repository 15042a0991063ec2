// Devices: cpu, cuda
// Source: closed form "takes coefficients from the device, alone and times a number"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { linearCombination } from '../../reference/linear-combination.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { rounded, spacing } from '../../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('linear_combination on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const cases = (['f32', 'f64'] as const).flatMap((dtype) => [1, 2, 8].map((terms) => ({ dtype, terms })));
  it.each(cases)('$terms terms of $dtype, every size in one call', async ({ dtype, terms }) => {
    const coefficients = Array.from({ length: terms }, (_, j) => rounded(0.9 - 0.37 * j, dtype));
    const data = coefficients.map((_, j) =>
      awkward.map((size) => normal(size, 100 * j + size).map((x) => rounded(x, dtype))),
    );
    const out = awkward.map((size) => Tensor.full(device, [size], NaN, { dtype }));
    const tensors = data.flatMap((term) => term.map((values) => tensorOf(device, values, [values.length], dtype)));
    ops.linearCombination(device, { out, terms: tensors, coefficients });
    for (const [i, tensor] of out.entries()) {
      const parts = data.map((term) => term[i]!);
      // Each of the additions may err by half a unit of the sum of sizes.
      const magnitude = linearCombination(
        coefficients.map(Math.abs),
        parts.map((part) => part.map(Math.abs)),
      );
      expectClose(await valuesOf(tensor), linearCombination(coefficients, parts), { dtype, ulps: terms, magnitude });
    }
  });

  it.each(['f16', 'bf16'] as const)('sums %s in f32 and rounds once', async (dtype) => {
    const coefficients = [1, -0.5, 0.3].map((c) => rounded(c, 'f32'));
    const data = coefficients.map((_, j) =>
      awkward.map((size) => normal(size, 100 * j + size).map((x) => rounded(x, dtype))),
    );
    const out = awkward.map((size) => Tensor.full(device, [size], NaN, { dtype }));
    const terms = data.flatMap((term) => term.map((values) => tensorOf(device, values, [values.length], dtype)));
    ops.linearCombination(device, { out, terms, coefficients });
    for (const [i, tensor] of out.entries()) {
      const parts = data.map((term) => term[i]!);
      const expected = linearCombination(coefficients, parts);
      // Half a unit, and where terms cancel the error of a sum in f32: 3 units of the sum of sizes.
      const magnitude = linearCombination(
        coefficients.map(Math.abs),
        parts.map((part) => part.map(Math.abs)),
      );
      const worst = (await valuesOf(tensor)).map((x, k) => {
        const bound = 0.5 * spacing(expected[k]!, dtype) * (1 + 2 ** -8) + 3 * spacing(magnitude[k]!, 'f32');
        return Math.abs(x - expected[k]!) / bound;
      });
      expect(Math.max(0, ...worst)).toBeLessThanOrEqual(1);
    }
    // In place, and each sum rounds again.
    const [x, y] = [terms[awkward.length - 1]!, terms[2 * awkward.length - 1]!];
    const sums = new Tensor(device, x.shape, dtype);
    ops.linearCombination(device, { out: [sums], terms: [x, y], coefficients: [1, 1] });
    ops.linearCombination(device, { out: [y], terms: [x, y], coefficients: [1, 1] });
    expect(await y.read()).toEqual(await sums.read());
  });

  it('takes coefficients from the device, alone and times a number', async () => {
    const x = tensorOf(device, [1, 2, 3]);
    const out = new Tensor(device, [3]);
    const by = tensorOf(device, [3], [1], 'f64');
    const by32 = tensorOf(device, [0.5], [], 'f32');
    ops.linearCombination(device, { out: [out], terms: [x, x], coefficients: [by, [-4, by32]] });
    expect(await out.read()).toEqual(Float32Array.from([1, 2, 3]));
  });

  it('may write to one of its terms', async () => {
    const values = normal(20000, 5);
    const x = tensorOf(device, values);
    const y = tensorOf(device, normal(20000, 6));
    const expected = linearCombination([2, -1], [await valuesOf(x), await valuesOf(y)]);
    ops.linearCombination(device, { out: [y], terms: [x, y], coefficients: [2, -1] });
    expectClose(await valuesOf(y), expected, { dtype: 'f32', ulps: 2, magnitude: 4 });
  });

  // Results of more than 8 MB are written past the caches; parts begin anywhere, and are smaller.
  it.each(['f32', 'f64'] as const)('what caches do not hold has the bits of its parts: %s', async (dtype) => {
    const size = (1 << 21) + 77;
    const coefficients = [0.9, -0.1, 0.7];
    const make = () => Tensor.full(device, [size, 1], NaN, { dtype });
    const terms = coefficients.map(make);
    for (const [stream, term] of terms.entries()) ops.random(device, { x: [term], seed: 7, stream });
    const [whole, parts] = [make(), make()];
    ops.linearCombination(device, { out: [whole], terms, coefficients });
    for (let from = 0; from < size; from += 400_001) {
      const part = (x: Tensor) => x.rows(from, Math.min(from + 400_001, size));
      ops.linearCombination(device, { out: [part(parts)], terms: terms.map(part), coefficients });
    }
    const expected = await parts.read();
    expect(Buffer.from((await whole.read()).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    // One of its own terms is not written past the caches: it is there already.
    ops.linearCombination(device, { out: [terms[1]!], terms, coefficients });
    expect(Buffer.from((await terms[1]!.read()).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it('reads a term whose coefficient is 0', async () => {
    const out = new Tensor(device, [2]);
    ops.linearCombination(device, { out: [out], terms: [tensorOf(device, [NaN, Infinity])], coefficients: [0] });
    expect(await out.read()).toEqual(Float32Array.from([NaN, NaN]));
  });

  it('refuses what does not fit', () => {
    const x = Tensor.zeros(device, [2]);
    const out = Tensor.zeros(device, [2]);
    const other = Tensor.zeros(device, [2]);
    const by = Tensor.zeros(device, [2], { dtype: 'f64' });
    const code = (fields: Parameters<typeof ops.linearCombination>[1]) =>
      thrownBy(() => ops.linearCombination(device, fields)).code;
    expect(code({ out: [out], terms: [x] })).toBe('ERR_ARGUMENT');
    expect(code({ out: [out], terms: [x], coefficients: [1, 2] })).toBe('ERR_ARGUMENT');
    expect(code({ out: [out], terms: Array(9).fill(x), coefficients: Array(9).fill(1) })).toBe('ERR_ARGUMENT');
    expect(code({ out: [out], terms: [by], coefficients: [1] })).toBe('ERR_DTYPE');
    expect(code({ out: [out], terms: [Tensor.zeros(device, [1, 2])], coefficients: [1] })).toBe('ERR_SHAPE');
    expect(code({ out: [out], terms: [x], coefficients: [by] })).toBe('ERR_SHAPE');
    // A term at another position of the list than its output would be read after it was written.
    expect(code({ out: [out, other], terms: [other, x], coefficients: [1] })).toBe('ERR_ARGUMENT');
    const whole = Tensor.zeros(device, [2], { dtype: 'i32' });
    expect(code({ out: [whole], terms: [whole], coefficients: [1] })).toBe('ERR_DTYPE');
    const [half, single] = [Tensor.zeros(device, [2], { dtype: 'f16' }), Tensor.zeros(device, [2])];
    expect(code({ out: [half], terms: [x], coefficients: [1] })).toBe('ERR_DTYPE');
    expect(code({ out: [half, single], terms: [half, single], coefficients: [1] })).toBe('ERR_DTYPE');
    expect(code({ out: [out], terms: [x], coefficients: [[1] as never] })).toBe('ERR_ARGUMENT');
    expect(code({ out: [out], terms: [x], coefficients: [out] })).toBe('ERR_ARGUMENT');
  });
});
