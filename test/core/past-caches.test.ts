// Devices: cpu
// Source: property "what caches do not hold has the bits of its parts"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../lib/index.ts';

const device = Device.open('cpu', { threads: 2 });
afterAll(() => device.close());

// Results of more than 8 MB are written past the caches; parts are smaller.
const rows = 2100;
const columns = 1024;
const height = 400;

interface Of {
  /** Random numbers. */
  x: Tensor;
  y: Tensor;
  out: Tensor;
}
const vector = Tensor.zeros(device, [columns]);
ops.random(device, { x: [vector], seed: 3 });

const calls: Readonly<Record<string, (of: Of) => void>> = {
  map: ({ x, out }) => ops.map(device, { x: [x], out: [out], function: 'tanh' }),
  power: ({ x, out }) => ops.map(device, { x: [x], out: [out], function: 'power', parameters: [1.7] }),
  mapBackward: ({ x, y, out }) => ops.mapBackward(device, { grad: [x], x: [y], out: [out], function: 'silu' }),
  multiply: ({ x, y, out }) => ops.multiply(device, { x: [x], y: [y], out: [out] }),
  divide: ({ x, y, out }) => ops.divide(device, { x: [x], y: [y], out: [out] }),
  fill: ({ out }) => ops.fill(device, { x: [out], value: 1.25 }),
  copy: ({ x, out }) => (x === out ? undefined : ops.copy(device, { x: [x], out: [out] })),
  scaleAxis: ({ x, out }) => ops.scaleAxis(device, { x, scale: vector, out }),
  addBias: ({ x, out }) => ops.addBias(device, { x, bias: vector, out }),
  relu: ({ x, out }) => ops.relu(device, { x, out }),
  reluBackward: ({ x, y, out }) => ops.reluBackward(device, { grad: x, x: y, out }),
  gelu: ({ x, out }) => ops.gelu(device, { x, out }),
  geluBackward: ({ x, y, out }) => ops.geluBackward(device, { grad: x, x: y, out }),
  layerNorm: ({ x, out }) => ops.layerNorm(device, { x, weight: vector, out }),
  rowSoftmax: ({ x, out }) => ops.rowSoftmax(device, { x, out }),
  rowSoftmaxBackward: ({ x, y, out }) => ops.rowSoftmaxBackward(device, { grad: x, y, out }),
};

const made = (dtype: Dtype) => Tensor.full(device, [rows, columns], NaN, { dtype });
const bytes = async (x: Tensor) => Buffer.from((await x.read()).buffer);

describe('what caches do not hold has the bits of its parts', () => {
  it.each(Object.keys(calls))('%s', async (name) => {
    using x = made('f32');
    using y = made('f32');
    using whole = made('f32');
    using parts = made('f32');
    for (const [stream, one] of [x, y].entries()) ops.random(device, { x: [one], seed: 7, stream });
    calls[name]!({ x, y, out: whole });
    for (let from = 0; from < rows; from += height) {
      const part = (one: Tensor) => one.rows(from, Math.min(from + height, rows));
      calls[name]!({ x: part(x), y: part(y), out: part(parts) });
    }
    expect((await bytes(whole)).equals(await bytes(parts))).toBe(true);
    expect((await whole.read()).every((value) => !Number.isNaN(value) || name === 'power')).toBe(true);
    // Written over what it reads, it does not pass the caches by.
    calls[name]!({ x, y, out: x });
    expect((await bytes(x)).equals(await bytes(parts))).toBe(true);
  });

  it('cast', async () => {
    using x = made('f32');
    ops.random(device, { x: [x], seed: 7 });
    using whole = made('f64');
    using parts = made('f64');
    ops.cast(device, { x: [x], out: [whole] });
    for (let from = 0; from < rows; from += height) {
      const part = (one: Tensor) => one.rows(from, Math.min(from + height, rows));
      ops.cast(device, { x: [part(x)], out: [part(parts)] });
    }
    expect((await bytes(whole)).equals(await bytes(parts))).toBe(true);
  });
});
