// Devices: cpu, cuda
// Source: values "gives the values of the published rule"
// Source: property "leaves nothing along the conditional prediction, and no more than the norm allows"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const shapes: [number[], number[], number[]][] = [
  [[3, 7], [1], [1]],
  [[2, 1, 20001], [1, 2], [1, 2]],
  [[1, 3, 4, 5, 2], [2, 3, 4], [1, 2, 3, 4]],
  [[2, 3, 5, 4], [1, 3], [2]],
  [[2, 5, 3], [], [1, 2]],
  [[2, 5, 3], [1], []],
  [[2, 0, 3], [1, 2], [1, 2]],
  [[33, 1], [1], [1]],
]; // biome-ignore format: a line each
const sizeOf = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

describe.each(devices)('projectedGuidance on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(shapes)('agrees with the reference on %j, norms over %j, projections over %j', async (shape, norms, projects) => {
      const own = dtype === 'f64' ? 'f64' : 'f32';
      for (const [buffered, rescale, eta, base] of [
        [true, 1.5, 0.25, 'cond'],
        [false, 1.5, 0, 'uncond'],
        [true, 0, 1, 'uncond'],
        [false, 0, 1, 'cond'],
        [false, 0.5, 1, 'cond'],
        [true, 0, -1, 'cond'],
      ] as const) {
        const fields = (on: Device) => ({
          cond: tensorOf(on, normal(sizeOf(shape), 1), shape, dtype),
          uncond: tensorOf(on, normal(sizeOf(shape), 2), shape, dtype),
          ...(buffered && { buffer: tensorOf(on, normal(sizeOf(shape), 3), shape, own), momentum: -0.75 }),
          out: Tensor.full(on, shape, NaN, { dtype }),
          normAxes: norms,
          projectAxes: projects,
          scale: 4,
          rescale,
          eta,
          base,
        });
        const ulps = dtype === 'f16' || dtype === 'bf16' ? 1 : 40;
        await expectLikeReference('projectedGuidance', device, fields, { ulps, of: 'largest' });
      }
    }); // biome-ignore format: one line
  });

  const guided = async (c: number[], u: number[], more: object, dtype: 'f64' | 'f32' = 'f64') => {
    const [cond, uncond] = [c, u].map((x) => tensorOf(device, x, [1, x.length], dtype)) as [Tensor, Tensor];
    const out = Tensor.full(device, cond.shape, NaN, { dtype });
    ops.projectedGuidance(device, { cond, uncond, out, normAxes: [1], projectAxes: [1], scale: 5, ...more });
    return valuesOf(out);
  };

  it('gives the values of the published rule', async () => {
    const [c, u] = [[3, 4, 0], [1, 1, 1]]; // biome-ignore format: one line
    expectClose(await guided(c, u, {}), [2.36, 4.48, -4], { dtype: 'f64', ulps: 8 });
    expectClose(await guided(c, u, { eta: 1 }), [11, 16, -4], { dtype: 'f64', ulps: 4 });
    expectClose(await guided(c, u, { base: 'uncond' }), [0.2, 1.6, -4], { dtype: 'f64', ulps: 64 });
    for (const [i, value] of (await guided(c, u, { rescale: 2 })).entries())
      expect(Math.abs(value - [2.65790561, 4.25657079, -2.13808994][i]!)).toBeLessThan(1e-8);
  });

  it('leaves nothing along the conditional prediction, and no more than the norm allows', async () => {
    const [c, u] = [normal(50, 4), normal(50, 5)].map((x) => [...x]) as [number[], number[]];
    const out = await guided(c, u, { rescale: 1.25 });
    const moved = out.map((value, i) => value - c[i]!);
    const along = moved.reduce((sum, value, i) => sum + value * c[i]!, 0);
    expect(Math.abs(along)).toBeLessThan(1e-12);
    expect(Math.hypot(...moved)).toBeLessThanOrEqual(4 * 1.25 * (1 + 1e-12));
  });

  it('has no projection on zeros, bounds no zeros, and keeps NaN and infinity in their sample', async () => {
    expect(await guided([0, 0], [1, -1], {})).toEqual(Float64Array.of(-4, 4));
    expect(await guided([2, 1], [2, 1], { rescale: 1e-9 })).toEqual(Float64Array.of(2, 1));
    const cond = tensorOf(device, [1, NaN, Infinity, 1, 3, 4], [3, 2], 'f32');
    const uncond = tensorOf(device, [0, 0, 0, 0, 3, 4], [3, 2], 'f32');
    ops.projectedGuidance(device, { cond, uncond, out: cond, normAxes: [1], projectAxes: [1], scale: 2, rescale: 1 });
    const out = await valuesOf(cond);
    expect([out[0], out[1], out[2]]).toEqual([NaN, NaN, NaN]);
    expect([...out.slice(4)]).toEqual([3, 4]);
  });

  it('may write in place of either prediction', async () => {
    for (const dtype of floatingDtypes)
      for (const place of ['cond', 'uncond'] as const) {
        const cond = tensorOf(device, normal(3000, 1), [2, 1500], dtype);
        const uncond = tensorOf(device, normal(3000, 2), [2, 1500], dtype);
        const out = Tensor.zeros(device, cond.shape, { dtype });
        const fields = { cond, uncond, normAxes: [1], projectAxes: [1], scale: 3, rescale: 2, base: 'uncond' as const };
        ops.projectedGuidance(device, { ...fields, out });
        ops.projectedGuidance(device, { ...fields, out: { cond, uncond }[place] });
        expect(sameBits(await { cond, uncond }[place].read(), await out.read())).toBe(true);
      }
  });
});

const valid = (device: Device) => ({
  cond: Tensor.zeros(device, [2, 3]),
  uncond: Tensor.zeros(device, [2, 3]),
  buffer: Tensor.zeros(device, [2, 3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('projectedGuidance', () => {
  refusesWrongFields('projectedGuidance', valid, ['buffer']);
  refuses('projectedGuidance', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const other = Tensor.zeros(device, [3, 2]);
    return [
      [{ cond: f64.cast('i32') }, 'ERR_DTYPE', 'projectedGuidance: cond must be floating, got i32[2, 3]'],
      [{ cond: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'projectedGuidance: cond must have a batch and another axis, got f32[3]'],
      [{ uncond: f64 }, 'ERR_DTYPE', "projectedGuidance: uncond must have cond's dtype, got f64[2, 3]"],
      [{ uncond: other }, 'ERR_SHAPE', "projectedGuidance: uncond must have cond's shape, got f32[3, 2] for cond f32[2, 3]"],
      [{ out: f64 }, 'ERR_DTYPE', "projectedGuidance: out must have cond's dtype, got f64[2, 3]"],
      [{ out: other }, 'ERR_SHAPE', "projectedGuidance: out must have cond's shape, got f32[3, 2] for cond f32[2, 3]"],
      [{ buffer: f64 }, 'ERR_DTYPE', 'projectedGuidance: buffer must be f64 where cond is, else f32, got f64[2, 3]'],
      [{ buffer: other }, 'ERR_SHAPE', "projectedGuidance: buffer must have cond's shape, got f32[3, 2] for cond f32[2, 3]"],
      [{ buffer: undefined, momentum: 0.5 }, 'ERR_ARGUMENT', 'projectedGuidance: buffer is missing for a momentum'],
      [{ normAxes: [0] }, 'ERR_ARGUMENT', 'projectedGuidance: normAxes must name axes from 1 on, each once, got 0'],
      [{ normAxes: [1, 1] }, 'ERR_ARGUMENT', 'projectedGuidance: normAxes must name axes from 1 on, each once, got 1'],
      [{ projectAxes: [2] }, 'ERR_ARGUMENT', 'projectedGuidance: projectAxes must name axes from 1 on, each once, got 2'],
      [{ scale: NaN }, 'ERR_ARGUMENT', 'projectedGuidance: scale must be finite, got nan'],
      [{ eta: Infinity }, 'ERR_ARGUMENT', 'projectedGuidance: eta must be finite, got inf'],
      [{ rescale: -1 }, 'ERR_ARGUMENT', 'projectedGuidance: rescale must be finite and not negative, got -1'],
      [{ momentum: 1 }, 'ERR_ARGUMENT', 'projectedGuidance: momentum must be in (-1, 1), got 1'],
    ]; // biome-ignore format: a line each
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [cond, uncond] = [1, 2].map((seed) => tensorOf(device, normal(120_000, seed), [2, 3, 20_000])) as [
        Tensor,
        Tensor,
      ];
      const out = Tensor.zeros(device, cond.shape);
      ops.projectedGuidance(device, { cond, uncond, out, normAxes: [2], projectAxes: [1, 2], scale: 4, rescale: 1 });
      return [out];
    }));
});
