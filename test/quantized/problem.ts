import { type Device, ops, Tensor } from '../../lib/index.ts';
import { QuantLinear } from '../../lib/quantized/index.ts';
import { normal } from '../support/data.ts';

const [outputs, inputs, group, count] = [32, 64, 16, 256];

/**
 * A layer of 4 bits that is to do what another matrix does: loss = Σ (x·Wᵀ − y)² / (2 · count). In the scales it is a
 * sum of squares, whose minimum is known.
 */
export class Regression {
  readonly layer: QuantLinear;
  readonly x: Tensor;
  readonly y: Tensor;
  readonly #device: Device;
  readonly #all: { readonly x: Float64Array; readonly y: Float64Array; readonly codes: Promise<Float64Array> };

  constructor(device: Device) {
    this.#device = device;
    const w = normal(outputs * inputs, 1).map((value) => value / Math.sqrt(inputs));
    const x = Float32Array.from(normal(count * inputs, 2));
    const noise = normal(count * outputs, 3);
    const y = new Float32Array(count * outputs);
    for (let i = 0; i < count; ++i)
      for (let o = 0; o < outputs; ++o) {
        let sum = 0.09 * noise[i * outputs + o]!;
        for (let k = 0; k < inputs; ++k) sum += x[i * inputs + k]! * w[o * inputs + k]!;
        y[i * outputs + o] = sum;
      }
    this.layer = QuantLinear.quantize(Tensor.from(device, Float32Array.from(w), [outputs, inputs]), { group });
    this.x = Tensor.from(device, x, [count, inputs]);
    this.y = Tensor.from(device, y, [count, outputs]);
    using ones = this.layer.scales.copy();
    ops.fill(device, { x: [ones], value: 1 });
    const plain = QuantLinear.from({ codes: this.layer.codes.copy(), scales: ones.copy(), inputs, bits: 4 });
    const codes = plain.dequantize().read() as Promise<Float32Array>;
    this.#all = {
      x: Float64Array.from(x),
      y: Float64Array.from(y),
      codes: codes.then((all) => Float64Array.from(all)),
    };
  }

  /** Moves the scales away from what rounding has given. */
  async detune(factor: number): Promise<void> {
    const old = (await this.layer.scales.read()) as Float32Array;
    const by = normal(old.length, 4);
    this.layer.scales.write(old.map((value, i) => value * (1 + factor * by[i]!)));
  }

  /** The loss, f64[1] on the device. */
  loss(scales: Tensor): Tensor {
    const device = this.#device;
    using out = this.layer.apply(this.x, { scales });
    ops.linearCombination(device, { out: [out], terms: [out, this.y], coefficients: [1, -1] });
    const total = Tensor.zeros(device, [1], { dtype: 'f64' });
    ops.dots(device, { x: [out], y: [out], out: total });
    ops.linearCombination(device, { out: [total], terms: [total], coefficients: [1 / (2 * count)] });
    return total;
  }

  /** The systems of all outputs: A of a's rows [x·codes of each group], in f64. */
  async #systems(): Promise<{ gram: number[][]; right: number[]; square: number }[]> {
    const { x, y, codes } = this.#all;
    const q = await codes;
    const groups = inputs / group;
    return Array.from({ length: outputs }, (_, o) => {
      const gram = Array.from({ length: groups }, () => new Array<number>(groups).fill(0));
      const right = new Array<number>(groups).fill(0);
      let square = 0;
      for (let i = 0; i < count; ++i) {
        const a = Array.from({ length: groups }, (_, g) => {
          let sum = 0;
          for (let k = g * group; k < (g + 1) * group; ++k) sum += x[i * inputs + k]! * q[o * inputs + k]!;
          return sum;
        });
        const b = y[i * outputs + o]!;
        square += b * b;
        for (let g = 0; g < groups; ++g) {
          right[g]! += a[g]! * b;
          for (let h = 0; h < groups; ++h) gram[g]![h]! += a[g]! * a[h]!;
        }
      }
      return { gram, right, square };
    });
  }

  /** The gradient by the scales, of the closed form, at given scales. */
  async gradient(scales: ArrayLike<number>): Promise<Float64Array> {
    const groups = inputs / group;
    const out = new Float64Array(outputs * groups);
    for (const [o, { gram, right }] of (await this.#systems()).entries())
      for (let g = 0; g < groups; ++g) {
        let sum = -right[g]!;
        for (let h = 0; h < groups; ++h) sum += gram[g]![h]! * scales[o * groups + h]!;
        out[o * groups + g] = sum / count;
      }
    return out;
  }

  /** The least loss over all scales: by Gauss's elimination of the normal equations. */
  async least(): Promise<number> {
    let total = 0;
    for (const { gram, right, square } of await this.#systems()) {
      const groups = right.length;
      const rows = gram.map((row, g) => [...row, right[g]!]);
      for (let p = 0; p < groups; ++p)
        for (let r = p + 1; r < groups; ++r) {
          const factor = rows[r]![p]! / rows[p]![p]!;
          for (let c = p; c <= groups; ++c) rows[r]![c]! -= factor * rows[p]![c]!;
        }
      // The explained part: Σ of the squares of the pivots' right sides over the pivots.
      total += square - rows.reduce((sum, row, p) => sum + row[groups]! ** 2 / row[p]!, 0);
    }
    return total / (2 * count);
  }
}
