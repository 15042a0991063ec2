// Devices: cpu, cuda
// Source: formula of docs/design/packed-codes.md "w[i, k] = q[i, k] · scales[i, ⌊k / group⌋]"
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { QuantLinear } from '../../lib/quantized/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

const allBits = [2, 3, 4, 8] as const;

/** W of the formula, and its largest error in units of half a scale. */
function quantized(w: ArrayLike<number>, inputs: number, group: number, bits: number) {
  const levels = 2 ** (bits - 1) - 1;
  const back = new Float64Array(w.length);
  const scales: number[] = [];
  for (let at = 0; at < w.length; at += group) {
    let most = 0;
    for (let k = 0; k < group; ++k) most = Math.max(most, Math.abs(w[at + k]!));
    const scale = Math.fround(most / levels);
    scales.push(scale);
    for (let k = 0; k < group && scale > 0; ++k) {
      const ratio = w[at + k]! / scale;
      const near = Math.round(ratio);
      const even = Math.abs(ratio - Math.trunc(ratio)) === 0.5 ? 2 * Math.round(ratio / 2) : near;
      back[at + k] = Math.min(levels, Math.max(-levels, even)) * scale;
    }
  }
  return { back, scales, rows: w.length / inputs };
}

describe.each(devices)('QuantLinear on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const matrix = (rows: number, columns: number, seed: number) =>
    Tensor.from(device, Float32Array.from(normal(rows * columns, seed)), [rows, columns]);

  it.each(allBits)('rounds to %i bits by the formula, and multiplies by what comes back', async (bits) => {
    const [outputs, inputs, group] = [7, 192, 32];
    const w = matrix(outputs, inputs, bits);
    const layer = QuantLinear.quantize(w, { bits, group });
    const { back, scales } = quantized(await valuesOf(w), inputs, group, bits);
    expect([...(await valuesOf(layer.scales))]).toEqual(scales);
    const came = await valuesOf(layer.dequantize());
    expect([...came].map((value) => value + 0)).toEqual([...Float32Array.from(back)].map((value) => value + 0));
    expect(await layer.merge().read()).toEqual(await layer.dequantize().read());
    for (const rows of [1, 3, 31]) {
      const x = matrix(rows, inputs, 9);
      const [y, numbers] = [await valuesOf(layer.apply(x)), await valuesOf(x)];
      for (let i = 0; i < rows; ++i)
        for (let j = 0; j < outputs; ++j) {
          let [sum, size] = [0, 0];
          for (let k = 0; k < inputs; ++k) {
            const term = numbers[i * inputs + k]! * back[j * inputs + k]!;
            sum += term;
            size += Math.abs(term);
          }
          expect(Math.abs(y[i * outputs + j]! - sum)).toBeLessThan(2e-6 * size);
        }
    }
  });

  it('rounds what it multiplies to 8 bits where it is asked to, and gives the gradients of what is not rounded', async () => {
    const [outputs, inputs] = [5, 128];
    const w = matrix(outputs, inputs, 1);
    const plain = QuantLinear.quantize(w);
    const rounded = QuantLinear.quantize(w, { activations: 'i8' });
    const again = QuantLinear.from({ ...plain, activations: 'i8' });
    const x = matrix(2, inputs, 3);
    const [near, far] = [await valuesOf(rounded.apply(x)), await valuesOf(plain.apply(x))];
    expect(await valuesOf(again.apply(x))).toEqual(near);
    expect(near).not.toEqual(far);
    // The error of an element is half a level, and these are not all of one sign.
    for (const [i, value] of far.entries()) expect(Math.abs(near[i]! - value)).toBeLessThan(0.3);
    const gradients: unknown[] = [];
    for (const layer of [plain, rounded]) {
      using step = nn.valueAndGrad((m: nn.Traced<{ x: Tensor; l: QuantLinear }>) => nn.sum(nn.linear(m.l, m.x)));
      const { grads } = step({ x, l: layer });
      gradients.push(await Promise.all([...grads.values()].map((grad) => grad.read())));
    }
    expect(gradients[1]).toEqual(gradients[0]);
    expect(thrownBy(() => QuantLinear.quantize(w, { activations: 'i4' as 'i8' })).code).toBe('ERR_ARGUMENT');
  });

  it('has the numbers of the example of its layout, of the bytes that the page shows', async () => {
    const page = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'design', 'packed-codes.md'), 'utf8');
    const example = page.slice(page.indexOf('## Example of 8 codes'), page.indexOf('## Files'));
    const shown = [...example.matchAll(/^```\n(.*)\n```/gm)].map(([, line]) =>
      // Bytes, of which those that dots stand for are 0 up to the number in brackets.
      line!.split(/\((\d+) bytes\)/).flatMap((part, i, parts) => {
        if (i % 2 === 1) return [];
        const bytes = [...part.matchAll(/\b[0-9a-f]{2}\b/g)].map(([byte]) => Number.parseInt(byte, 16));
        return [...bytes, ...Array(Math.max(0, Number(parts[i + 1] ?? bytes.length) - bytes.length)).fill(0)];
      }),
    );
    expect(shown.map((bytes) => bytes.length)).toEqual([64, 48]);
    for (const [bits, bytes, numbers] of [
      [4, shown[0]!, [1, -1, 7, -7, 0, 2, -8, 3]],
      [3, shown[1]!, [1, -1, 3, -3, 0, 2, -4, 3]],
    ] as const) {
      const codes = Tensor.from(device, Uint8Array.from(bytes), [1, bytes.length]);
      using layer = QuantLinear.from({ codes, scales: Tensor.full(device, [1, 1], 1), inputs: 128, bits });
      const expected = Array.from({ length: 128 }, (_, k) => (k % 16 === 0 ? numbers[k / 16] : 0));
      expect([...(await valuesOf(layer.dequantize()))]).toEqual(expected);
    }
  });

  it('takes the bytes of its codes and scales', () => {
    for (const [bits, group] of [
      [4, 64],
      [3, 128],
      [8, 32],
      [2, 64],
    ] as const) {
      const layer = QuantLinear.quantize(matrix(5, 256, 1), { bits, group });
      expect(layer.byteLength).toBe((5 * 256 * bits) / 8 + (4 * 5 * 256) / group);
      expect([layer.bits, layer.group, layer.inputs]).toEqual([bits, group, 256]);
    }
    // 14 bytes a weight in f16 with f32 gradients and Adam's state, against those of 4 bits and groups of 128.
    const layer = QuantLinear.quantize(matrix(4, 512, 1), { group: 128 });
    expect((4 * 512 * 14) / layer.byteLength).toBeCloseTo(14 / 0.53125, 10);
    expect(QuantLinear.quantize(matrix(2, 64, 1)).group).toBe(64);
  });

  it('has groups of zeros, of one value, of denormal and of large numbers', async () => {
    const group = 4;
    const tiny = 1e-42;
    const w = [0, 0, 0, 0, 3, 3, 3, 3, tiny, -tiny, 0, tiny, 1e30, -1e30, 5e29, 0];
    const layer = QuantLinear.quantize(tensorOf(device, w, [1, 16]), { group });
    const back = await valuesOf(layer.dequantize());
    const scales = await valuesOf(layer.scales);
    expect([...back.slice(0, 8)]).toEqual([0, 0, 0, 0, ...Array(4).fill(7 * Math.fround(3 / 7))].map(Math.fround));
    for (const [k, value] of w.entries()) expect(Math.abs(back[k]! - Math.fround(value))).toBeLessThanOrEqual(scales[k >> 2]! / 2 + Math.abs(value) * 1e-7); // biome-ignore format: one line
    const bad = QuantLinear.quantize(tensorOf(device, [1, NaN, Infinity, 1, 2, 4], [3, 2]), { group: 2 });
    expect([...(await valuesOf(bad.dequantize()))]).toEqual([NaN, NaN, NaN, NaN, expect.closeTo(12 / 7, 6), 4]);
  });

  it('has an error for NaN, infinity and numbers beyond f32 at the first wait that asks', async () => {
    const { live } = await settledMemory(device);
    for (const value of [NaN, Infinity, 1e300]) {
      using w = Tensor.from(device, Float64Array.of(1, 2, 3, value), [2, 2]);
      using layer = QuantLinear.quantize(w, { group: 2 });
      await expect(layer.checkFinite()).rejects.toMatchObject({
        code: 'ERR_STATE',
        message: 'QuantLinear.checkFinite: scales must be finite, got NaN or infinity',
      });
      layer.scales.write(Float32Array.of(1, 1));
      await layer.checkFinite();
      layer.dispose();
      await expect(layer.checkFinite()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    }
    expect((await settledMemory(device)).live).toBe(live);
  });

  it('multiplies by scales that are written later, and by others in their place', async () => {
    const layer = QuantLinear.quantize(matrix(3, 64, 1), { group: 32 });
    const x = matrix(2, 64, 2);
    const y = await valuesOf(layer.apply(x));
    using doubled = Tensor.zeros(device, [3, 2]);
    doubled.write((await layer.scales.read()).map((s) => 2 * s));
    const other = await valuesOf(layer.apply(x, { scales: doubled }));
    layer.scales.write((await layer.scales.read()).map((s) => 2 * s));
    expect(await valuesOf(layer.apply(x))).toEqual(other);
    expect([...other]).toEqual([...y].map((value) => 2 * value));
  });

  it('stands in for a linear layer: its scales alone are trained, with the gradients of the formula', async () => {
    const make = nn.init(device, { seed: 1 });
    const model = { first: make.linear(64, 6), second: make.linear(6, 3) };
    nn.replaceLayers(model, 'first', ({ weight, bias }) => QuantLinear.quantize(weight, { group: 32, bias }));
    const layer = model.first as unknown as QuantLinear;
    expect(Object.keys(nn.select(model, '**'))).toEqual(['first.scales', 'second.weight', 'second.bias']);
    const x = matrix(5, 64, 3);
    const loss = (m: nn.Traced<typeof model>, input: nn.Arg) =>
      nn.sum(nn.gelu(nn.linear(m.second, nn.gelu(nn.linear(m.first, input)))));
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>, input: Tensor) => loss(m, input));
    using value = nn.forward((m: nn.Traced<typeof model>, input: Tensor) => loss(m, input));
    const { grads } = step(model, x);
    const gradient = await valuesOf(grads.get(layer.scales)!);
    // Σ over a group of code · dL/dW, of the same network with the matrix as numbers.
    const plain = { first: { weight: layer.dequantize(), bias: layer.bias! }, second: model.second };
    using other = nn.valueAndGrad((m: nn.Traced<typeof plain>, input: Tensor) =>
      nn.sum(nn.gelu(nn.linear(m.second, nn.gelu(nn.linear(m.first, input))))),
    );
    const dense = other(plain, x);
    const [dw, w, s] = [
      await valuesOf(dense.grads.get(plain.first.weight)!),
      await valuesOf(plain.first.weight),
      await valuesOf(layer.scales),
    ];
    const expected = new Float64Array(s.length);
    for (const [i, slope] of dw.entries()) expected[i >> 5]! += (slope * w[i]!) / s[i >> 5]!;
    for (const [i, slope] of expected.entries()) expect(gradient[i]).toBeCloseTo(slope, 4);
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
    expect((await value(model, x).read())[0]).toBeCloseTo((await dense.value.read())[0]!, 4);
  });

  it('has the gradient of x, and tangents along both', async () => {
    const layer = QuantLinear.quantize(matrix(6, 64, 1), { group: 64 });
    const [x, dx] = [matrix(4, 64, 2), matrix(4, 64, 3)];
    const w = layer.dequantize();
    using ours = nn.valueAndGrad((m: nn.Traced<{ x: Tensor; l: QuantLinear }>) => nn.sum(nn.gelu(nn.linear(m.l, m.x))));
    using theirs = nn.valueAndGrad((m: nn.Traced<{ x: Tensor; w: Tensor }>) =>
      nn.sum(nn.gelu(nn.linear({ weight: m.w }, m.x))),
    );
    const own = ours({ x, l: layer }).grads;
    const other = theirs({ x, w }).grads;
    const [a, b] = [await valuesOf(own.get(x)!), await valuesOf(other.get(x)!)];
    for (const [i, value] of b.entries()) expect(a[i]).toBeCloseTo(value, 4);
    const ds = matrix(6, 1, 4);
    using along = nn.jvp((m: nn.Traced<{ x: Tensor; l: QuantLinear }>) => nn.linear(m.l, m.x));
    const tangents = new Map([[x, dx], [layer.scales, ds]]); // biome-ignore format: one line
    const { tangent } = along({ x, l: layer }, tangents);
    const [byX, byScales] = [await valuesOf(layer.apply(dx)), await valuesOf(layer.apply(x, { scales: ds }))];
    for (const [i, value] of (await valuesOf(tangent)).entries()) expect(value).toBeCloseTo(byX[i]! + byScales[i]!, 3);
  });

  it('comes back from its parts with the same bits, and not from a file that was cut', async () => {
    const layer = QuantLinear.quantize(matrix(5, 96, 1), { bits: 3, group: 32 });
    const x = matrix(3, 96, 2);
    const parts = { codes: layer.codes.copy(), scales: layer.scales.copy(), inputs: 96, bits: 3 } as const;
    expect(await QuantLinear.from(parts).apply(x).read()).toEqual(await layer.apply(x).read());
    const code = (more: object) => thrownBy(() => QuantLinear.from({ ...parts, ...more })).code;
    expect(code({ codes: Tensor.zeros(device, [5, 47], { dtype: 'u8' }) })).toBe('ERR_SHAPE');
    expect(code({ codes: Tensor.zeros(device, [4, 48], { dtype: 'u8' }) })).toBe('ERR_SHAPE');
    expect(code({ codes: Tensor.zeros(device, [5, 48]) })).toBe('ERR_DTYPE');
    expect(code({ scales: Tensor.zeros(device, [5, 5]) })).toBe('ERR_SHAPE');
    expect(code({ inputs: 128 })).toBe('ERR_SHAPE');
    expect(code({ bits: 5 })).toBe('ERR_ARGUMENT');
  });

  it('gives all back, and refuses what does not fit', async () => {
    const w = matrix(4, 64, 1);
    const x = matrix(2, 64, 2);
    const before = await settledMemory(device);
    {
      using layer = QuantLinear.quantize(w);
      layer.apply(x).dispose();
      layer.dequantize().dispose();
    }
    expect(await settledMemory(device)).toEqual(before);
    const code = (options: object, weight: Tensor = w) => thrownBy(() => QuantLinear.quantize(weight, options)).code;
    expect(code({ group: 48 })).toBe('ERR_SHAPE');
    expect(code({ bits: 5 })).toBe('ERR_ARGUMENT');
    expect(code({ bias: Tensor.zeros(device, [3]) })).toBe('ERR_SHAPE');
    expect(code({}, Tensor.zeros(device, [0, 64]))).toBe('ERR_SHAPE');
    expect(code({}, Tensor.zeros(device, [4, 64], { dtype: 'i32' }))).toBe('ERR_DTYPE');
    const layer = QuantLinear.quantize(w);
    expect(thrownBy(() => layer.apply(matrix(2, 65, 1))).code).toBe('ERR_SHAPE');
    expect(thrownBy(() => layer.apply(x, { scales: matrix(4, 2, 1) })).code).toBe('ERR_SHAPE');
    layer.dispose();
    expect(thrownBy(() => layer.apply(x)).code).toBe('ERR_DISPOSED');
    expect(thrownBy(() => layer.dequantize()).code).toBe('ERR_DISPOSED');
  });
});
