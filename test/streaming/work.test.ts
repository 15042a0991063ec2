// Devices: cpu
// Source: formula "2nd products of attention, k · inputs · outputs of a convolution"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { continual } from '../../lib/streaming/index.ts';
import { normal } from '../support/data.ts';
import { workOf } from '../support/work.ts';

describe('the work of a step', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());
  const drawn = (...shape: number[]): Tensor =>
    Tensor.from(device, Float32Array.from(normal(shape.reduce((a, b) => a * b), 3)), shape); // biome-ignore format: one line

  // The published count is 2nd + 2d: the query with n keys, its weights with n values, and d twice for what is of one place.
  it('of attention is 2nd products, and of all else nothing grows with the window', async () => {
    const d = 64;
    const of = async (length: number) => {
      using layer = continual.attention({ heads: 1, length, mode: 'single' });
      const places = [1, 2, 3].map(() => drawn(1, d)) as [Tensor, Tensor, Tensor];
      const work = [];
      for (let t = 0; t < 2 * length + 1; ++t)
        work.push(await workOf(() => layer.step(...places)?.dispose())); // biome-ignore format: one line
      const ready = work.slice(length - 1);
      for (const one of ready) expect(one).toEqual(ready[0]);
      return ready[0]!;
    };
    const [short, long] = [await of(64), await of(96)];
    expect(short.productFlops / 2).toBe(2 * 64 * d);
    expect(long.productFlops / 2).toBe(2 * 96 * d);
    // Three places are written, and all are attended to once.
    expect([short.operations, long.operations]).toEqual([4, 4]);
    expect(long.bytes - short.bytes).toBe(4 * 2 * (96 - 64) * d);
  });

  it('of a convolution is a product of its taps, whatever the dilation, and none before an output', async () => {
    const [streams, inputs, outputs, kernel] = [3, 8, 5, 4];
    const weight = drawn(outputs, inputs, kernel);
    const x = drawn(streams, inputs);
    for (const [stride, dilation] of [
      [1, 1],
      [1, 3],
      [2, 1],
    ] as const) {
      // biome-ignore format: one line
      using layer = continual.conv1d(weight, undefined, { stride, dilation });
      let ready = 0;
      for (let t = 0; t < 3 * layer.receptiveField; ++t) {
        let isReady = false;
        const { operations, productFlops } = await workOf(() => {
          using y = layer.step(x);
          isReady = y !== null;
        });
        ready += Number(isReady);
        expect(productFlops / 2).toBe(isReady ? streams * kernel * inputs * outputs : 0);
        // An input is written where it stays: a window is never copied. The first step makes the window, of zeros.
        if (t > 0) expect(operations).toBe(isReady ? 2 : 1);
      }
      expect(ready).toBe(Math.ceil((2 * layer.receptiveField + 1) / stride));
    }
  });
});
