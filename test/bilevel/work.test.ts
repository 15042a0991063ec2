// Devices: cpu
// A step of many blocks costs what it samples: the numbers that its operations read and write are counted.
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type BlockOracles, MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { onlyCpu } from '../support/devices.ts';

/** Names of operations, and the numbers that each call reads and writes. */
const done = vi.hoisted(() => ({ calls: [] as [name: string, numbers: number][] }));
vi.mock('../../lib/core/call.ts', async (load) => {
  const actual = await load<typeof import('../../lib/core/call.ts')>();
  type Pass = Parameters<typeof actual.operation>[2];
  const sizeOf = (value: unknown): number => {
    if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + sizeOf(one), 0);
    return typeof value === 'object' && value !== null && 'size' in value ? Number(value.size) : 0;
  };
  const numbersOf = (name: string, { x, out, index, ...rest }: Readonly<Record<string, unknown>>): number => {
    // Of a table these look at the rows that the index names.
    if (name === 'gatherRows') return 2 * sizeOf(out) + sizeOf(index);
    if (name === 'scatterRows') return 2 * sizeOf(x) + sizeOf(index);
    return sizeOf([x, out, index, ...Object.values(rest)]);
  };
  const operation: typeof actual.operation = (name, names, pass: Pass) =>
    actual.operation(name, names, (device, fields) => {
      done.calls.push([name, numbersOf(name, fields)]);
      pass(device, fields);
    });
  return { ...actual, operation };
});

describe.each(onlyCpu)('the work of a step of MultiBlockBilevel on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const dim = 3;
  const workOf = async (count: number, variant: 'v1' | 'v2', updates: 'all' | 'lazy') => {
    const x = Tensor.zeros(device, [4], { dtype: 'f64' });
    using y = Tensor.full(device, [count, dim], 1, { dtype: 'f64' });
    const fill = (out: Tensor) => ops.fill(device, { x: [out], value: 1 });
    const blocks: BlockOracles = {
      count,
      dim,
      x,
      y,
      lowerGradientY: (_ids, _x, _y, out) => fill(out),
      upperGradientY: (_ids, _x, _y, out) => fill(out),
      lowerHessianYY: (_ids, _x, _y, _v, out) => fill(out),
      lowerHessian: (_ids, _x, _y, out) => fill(out),
      lowerJacobianXY: (_ids, _x, _y, _v, out) => fill(out),
    };
    const rates = { alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1, seed: 1 };
    using method = new MultiBlockBilevel(blocks, { variant, updates, blocksPerStep: 8, ...rates });
    await method.step();
    done.calls = [];
    for (let t = 0; t < 3; ++t) await method.step();
    return [...done.calls];
  };

  it.each(['v1', 'v2'] as const)('%s: of 100,000 blocks it is that of 100', async (variant) => {
    const few = await workOf(100, variant, 'lazy');
    const many = await workOf(100_000, variant, 'lazy');
    expect(few.length).toBeGreaterThan(60);
    expect(many).toEqual(few);
    // A step that moves all of y is seen to.
    const whole = await workOf(100_000, variant, 'all');
    expect(Math.max(...whole.map(([, numbers]) => numbers))).toBeGreaterThan(100_000 * dim);
    expect(Math.max(...many.map(([, numbers]) => numbers))).toBeLessThan(2000);
  });
});
