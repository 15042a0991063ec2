// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { type CoefficientSet, coefficientSets, Device, orthogonalize, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { bits, numbers, tensor } from './classes.ts';

const code = (name: string): object => expect.objectContaining({ name: 'OrthokitError', code: name });

/** The iteration from its definition: y = x / (s·‖x‖ + eps); y ← a·y + b·(y yᵀ) y + c·(y yᵀ)² y. */
function reference(x: number[], rows: number, columns: number, name: keyof typeof coefficientSets): number[] {
  const set = coefficientSets[name];
  const norm = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0)) * (set.normScale ?? 1) + (set.eps ?? 1e-7);
  return iterated(
    x.map((v) => v / norm),
    rows,
    columns,
    set,
  );
}

function iterated(x: number[], rows: number, columns: number, set: CoefficientSet): number[] {
  let y = x;
  for (let t = 0; t < set.count; ++t) {
    const [a, b, c] = set.steps[set.beyond === 'first' ? t % set.steps.length : Math.min(t, set.steps.length - 1)]!;
    const apply = (z: number[]): number[] => {
      const gram = Array.from({ length: rows * rows }, (_, k) => {
        const [i, j] = [Math.floor(k / rows), k % rows];
        let sum = 0;
        for (let n = 0; n < columns; ++n) sum += y[i * columns + n]! * y[j * columns + n]!;
        return sum;
      });
      return z.map((_, k) => {
        const [i, n] = [Math.floor(k / columns), k % columns];
        let sum = 0;
        for (let j = 0; j < rows; ++j) sum += gram[i * rows + j]! * z[j * columns + n]!;
        return sum;
      });
    };
    const [first, second] = [apply(y), apply(apply(y))];
    y = y.map((v, k) => a * v + b * first[k]! + c * second[k]!);
  }
  return y;
}

describe.each(devices)('orthogonalize on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(Object.keys(coefficientSets) as (keyof typeof coefficientSets)[])(
    'follows the definition, %s',
    async (name) => {
      for (const [rows, columns] of [
        [4, 7],
        [7, 4],
        [5, 5],
        [1, 6],
        [6, 1],
        [1, 1],
      ] as const) {
        const x = tensor(device, [rows, columns], 3, 1, 'f64');
        const expected = reference(await numbers(x), rows, columns, name);
        const before = await bits([x]);
        const o = orthogonalize(x, { coefficients: name });
        for (const [k, v] of (await numbers(o)).entries()) expect(v).toBeCloseTo(expected[k] ?? Number.NaN, 9);
        expect(await bits([x])).toEqual(before);
        const single = orthogonalize(x.cast('f32'), { coefficients: name });
        expect(single.dtype).toBe('f32');
        for (const [k, v] of (await numbers(single)).entries())
          expect(Math.abs(v - (expected[k] ?? 0))).toBeLessThan(name === 'deepseek-v4' ? 2e-3 : 1e-4);
      }
    },
  );

  it('takes batches of any depth', async () => {
    const x = tensor(device, [2, 3, 4, 5], 1);
    const whole = orthogonalize(x);
    expect(whole.shape).toEqual([2, 3, 4, 5]);
    const data = await numbers(x);
    const parts = Array.from({ length: 6 }, (_, i) =>
      orthogonalize(Tensor.from(device, data.slice(i * 20, i * 20 + 20), [4, 5])),
    );
    expect((await bits([whole])).join('')).toBe((await bits(parts)).join(''));
    expect((await bits([orthogonalize(x.reshape([1, 6, 4, 5]))])).join('')).toBe((await bits(parts)).join(''));
  });

  it.each([[[0, 5]], [[5, 0]], [[0, 4, 5]], [[3, 0, 5]]])('takes the empty shape %j', async (shape) => {
    const o = orthogonalize(Tensor.zeros(device, shape));
    expect(o.shape).toEqual(shape);
    expect((await o.read()).length).toBe(0);
  });

  it.each(['f16', 'bf16'] as const)('takes and gives %s, computed in f32', async (dtype) => {
    const x = tensor(device, [6, 9], 2, 1, dtype);
    const o = orthogonalize(x);
    expect(o.dtype).toBe(dtype);
    expect(await bits([o])).toEqual(await bits([orthogonalize(x.cast('f32')).cast(dtype)]));
  });

  const apart = async (x: Tensor, exact: number[]): Promise<number> => {
    const o = await numbers(x);
    return Math.hypot(...o.map((v, k) => v - exact[k]!)) / Math.hypot(...exact);
  };

  // Relative error against f64 in the Frobenius norm, for Gaussian matrices.
  it.each([
    ['f32', 2e-5],
    ['f16', 1e-2],
    ['bf16', 6e-2],
  ] as const)('in %s it is off f64 by less than %d', async (dtype, most) => {
    for (const coefficients of ['jordan', 'you5', 'polar-express'] as const)
      for (const shape of [
        [64, 128],
        [150, 70],
        [3, 40, 33],
      ]) {
        const x = Tensor.randn(device, shape, { seed: 2 });
        const exact = await numbers(orthogonalize(x, { coefficients, dtype: 'f64' }));
        for (const [method, factor] of [
          ['newton-schulz', 1],
          ['gram', 1.25],
        ] as const)
          expect(await apart(orthogonalize(x, { coefficients, dtype, method }), exact)).toBeLessThan(factor * most);
      }
  });

  it('takes the norm before 16 bits are left', async () => {
    for (const dtype of ['f16', 'bf16'] as const)
      for (const scale of [1e-12, 1e12]) {
        const options = { dtype, eps: 0 };
        const plain = await numbers(orthogonalize(tensor(device, [20, 30], 1), options));
        expect(await apart(orthogonalize(tensor(device, [20, 30], 1, scale), options), plain)).toBeLessThan(2e-2);
      }
  });

  it.each([
    [8, 40],
    [40, 8],
    [16, 32],
  ])('by the Gram matrix it gives the same, %d × %d', async (rows, columns) => {
    const x = tensor(device, [2, rows, columns], 4, 1, 'f64');
    for (const nsSteps of [0, 1, 2, 3, 4, 5, 7]) {
      const exact = await numbers(orthogonalize(x, { nsSteps, coefficients: 'you5' }));
      const o = orthogonalize(x, { nsSteps, coefficients: 'you5', method: 'gram' });
      expect(await apart(o, exact)).toBeLessThan(1e-11);
    }
  });

  it('by the Gram matrix a matrix of rank 1 keeps its direction', async () => {
    const [u, v] = [await numbers(tensor(device, [20], 1)), await numbers(tensor(device, [64], 2))];
    const outer = Tensor.from(device, Float32Array.from(u.flatMap((a) => v.map((b) => a * b))), [20, 64]);
    const exact = u.flatMap((a) => v.map((b) => (a * b) / Math.hypot(...u) / Math.hypot(...v)));
    for (const dtype of ['f32', 'f16'] as const) {
      const o = await numbers(orthogonalize(outer, { method: 'gram', dtype }));
      const cosine = o.reduce((sum, x, k) => sum + x * exact[k]!, 0) / Math.hypot(...o);
      expect(cosine).toBeGreaterThan(0.97);
    }
  });

  it('works in the precision that is asked for', async () => {
    const x = tensor(device, [6, 9], 2);
    const o = orthogonalize(x, { dtype: 'f64' });
    expect(o.dtype).toBe('f32');
    expect(await bits([o])).toEqual(await bits([orthogonalize(x.cast('f64')).cast('f32')]));
    const down = orthogonalize(x.cast('f64'), { dtype: 'f32' });
    expect(down.dtype).toBe('f64');
    expect(await bits([down])).toEqual(await bits([orthogonalize(x).cast('f64')]));
  });

  it('keeps zeros zero, and directions at any scale', async () => {
    for (const eps of [0, 1e-7]) {
      const o = await numbers(orthogonalize(Tensor.zeros(device, [3, 5]), { eps }));
      expect(o.every((v) => v === 0)).toBe(true);
    }
    const expected = await numbers(orthogonalize(tensor(device, [5, 6], 1), { eps: 0 }));
    for (const scale of [1e-30, 1e30])
      for (const [k, v] of (await numbers(orthogonalize(tensor(device, [5, 6], 1, scale), { eps: 0 }))).entries())
        expect(Math.abs(v - (expected[k] ?? 0))).toBeLessThan(1e-4);
  });

  describe.each(['schatten4', 'aol'] as const)('scaled by its Gram matrix, %s', (scaling) => {
    const options = { scaling, coefficients: 'aol4-fns' } as const;
    it.each([
      [4, 7],
      [7, 4],
      [5, 5],
      [1, 6],
      [6, 1],
    ])('follows the definition, %d × %d', async (rows, columns) => {
      const x = tensor(device, [rows, columns], 3, 1, 'f64');
      const data = await numbers(x);
      // Rows of the short side.
      const [m, n] = rows > columns ? [columns, rows] : [rows, columns];
      const at = (i: number, j: number): number => (rows > columns ? j * columns + i : i * columns + j);
      const places = Array.from({ length: m }, (_, i) => Array.from({ length: n }, (_, j) => at(i, j)));
      const gram = places.map((a) => places.map((b) => a.reduce((sum, p, k) => sum + data[p]! * data[b[k]!]!, 0)));
      const factors = gram.map((row) =>
        scaling === 'aol' ? row.reduce((sum, g) => sum + Math.abs(g), 0) ** -0.5 : Math.hypot(...gram.flat()) ** -0.5,
      );
      const scaled = [...data];
      for (const [i, row] of places.entries()) for (const place of row) scaled[place]! *= factors[i]!;

      const start = await numbers(orthogonalize(x, { ...options, nsSteps: 0 }));
      for (const [k, v] of start.entries()) expect(v).toBeCloseTo(scaled[k]!, 12);
      const expected = iterated(scaled, rows, columns, coefficientSets['aol4-fns']);
      const o = orthogonalize(x, options);
      expect(await apart(o, expected)).toBeLessThan(1e-10);
      expect(await apart(orthogonalize(x, { ...options, method: 'gram' }), expected)).toBeLessThan(1e-9);
    });

    it('in fewer bits it is near', async () => {
      const x = Tensor.randn(device, [2, 33, 70], { seed: 1 });
      const exact = await numbers(orthogonalize(x, { ...options, dtype: 'f64' }));
      expect(await apart(orthogonalize(x, options), exact)).toBeLessThan(2e-5);
      expect(await apart(orthogonalize(x, { ...options, dtype: 'f16' }), exact)).toBeLessThan(1e-2);
      expect(await apart(orthogonalize(x.cast('bf16'), { ...options, dtype: 'bf16' }), exact)).toBeLessThan(6e-2);
    });

    it('keeps batches, zeros, empty tensors, and directions at any scale', async () => {
      const x = tensor(device, [2, 3, 6, 4], 1);
      const data = await numbers(x);
      const parts = Array.from({ length: 6 }, (_, i) =>
        orthogonalize(Tensor.from(device, data.slice(i * 24, i * 24 + 24), [6, 4]), options),
      );
      expect((await bits([orthogonalize(x, options)])).join('')).toBe((await bits(parts)).join(''));
      for (const dtype of ['f32', 'f64'] as const)
        for (const shape of [
          [3, 5],
          [5, 0],
          [0, 4, 5],
          [3, 0, 5],
        ]) {
          const zeros = orthogonalize(Tensor.zeros(device, shape, { dtype }), options);
          expect((await numbers(zeros)).every((v) => v === 0)).toBe(true);
        }
      const expected = await numbers(orthogonalize(tensor(device, [5, 6], 1), { ...options, eps: 0 }));
      for (const scale of [1e-30, 1e30]) {
        const o = await numbers(orthogonalize(tensor(device, [5, 6], 1, scale), { ...options, eps: 0 }));
        for (const [k, v] of o.entries()) expect(Math.abs(v - expected[k]!)).toBeLessThan(1e-4);
      }
    });
  });

  it('scaled by rows takes the set that is made for it, and no polar factor', async () => {
    const x = tensor(device, [4, 6], 1);
    const [own, named] = [{}, { coefficients: 'aol4-fns' } as const].map((options) =>
      orthogonalize(x, { scaling: 'aol', ...options }),
    );
    expect(await bits([own!])).toEqual(await bits([named!]));
    expect(() => orthogonalize(x, { scaling: 'aol', method: 'polar' })).toThrow(code('ERR_ARGUMENT'));
    const [polar, other] = [{}, { scaling: 'schatten4' } as const].map((options) =>
      orthogonalize(x, { method: 'polar', dtype: 'f64', ...options }),
    );
    expect(await apart(other!, await numbers(polar!))).toBeLessThan(1e-6);
  });

  it('with no step divides by the norm', async () => {
    const o = await numbers(orthogonalize(tensor(device, [5, 6], 1, 1, 'f64'), { nsSteps: 0, eps: 0 }));
    expect(Math.hypot(...o)).toBeCloseTo(1, 12);
  });

  it('leaves no tensor behind', async () => {
    const own = Device.open(kind);
    const [single, half, exact] = (['f32', 'bf16', 'f64'] as const).map((dtype) => tensor(own, [4, 6], 1, 1, dtype));
    await own.synchronize();
    const { live } = await settledMemory(own);
    for (const x of [single, half, exact] as Tensor[]) {
      for (const dtype of ['f32', 'f64'] as const) orthogonalize(x, { dtype }).dispose();
      for (const scaling of ['schatten4', 'aol'] as const) orthogonalize(x, { scaling }).dispose();
      using view = x.reshape([1, 1, 4, 6]);
      orthogonalize(view).dispose();
    }
    await own.synchronize();
    expect(own.info.memory.live).toBe(live);
    for (const x of [single, half, exact] as Tensor[]) x.dispose();
    await own.close();
  });

  it('refuses what it cannot do', () => {
    const x = tensor(device, [4, 5], 1);
    for (const shape of [[], [5]]) expect(() => orthogonalize(tensor(device, shape, 1))).toThrow(code('ERR_SHAPE'));
    expect(() => orthogonalize(Tensor.zeros(device, [2, 2], { dtype: 'i32' }))).toThrow(code('ERR_DTYPE'));
    expect(() => orthogonalize([[1]] as never)).toThrow(code('ERR_ARGUMENT'));
    for (const options of [
      { method: 'qr' },
      { scaling: 'spectral' },
      { method: 'polar', nsSteps: 5 },
      { method: 'polar', coefficients: 'polar-express' },
      { method: 'polar', dtype: 'f16' },
      { nsSteps: -1 },
      { nsSteps: 1.5 },
      { nsSteps: 101 },
      { eps: -1 },
      { eps: Number.NaN },
      { dtype: 'i32' },
      { coefficients: 'quintic' },
      { steps: 5 },
      { toString: 1 },
      null,
      5,
    ])
      expect(() => orthogonalize(x, options as never), JSON.stringify(options)).toThrow(code('ERR_ARGUMENT'));
    x.dispose();
    expect(() => orthogonalize(x)).toThrow(code('ERR_DISPOSED'));
  });
});
