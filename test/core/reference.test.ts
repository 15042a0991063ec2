// Devices: cpu
// The device of the plain references, which tests compare with.
import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { expectLikeReference, referenceDevice } from '../support/reference.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const device = Device.open('cpu');
afterAll(() => device.close());

it('computes in f64', async () => {
  const on = referenceDevice();
  // In f32 the large terms leave nothing of the others.
  const a = tensorOf(on, [2 ** 26, 1, 3 * 2 ** -25, -(2 ** 26)], [1, 4]);
  const c = Tensor.zeros(on, [1, 1]);
  ops.gemm(on, { a, b: tensorOf(on, [1, 1, 1, 1], [4, 1]), c });
  expect([...(await c.read())]).toEqual([1 + 2 ** -23]);
});

it.each([
  ['f32', 23],
  ['f16', 10],
  ['bf16', 7],
] as const)('rounds once to %s', async (dtype, fraction) => {
  const on = referenceDevice();
  // Just above a tie, which a rounding on the way would make of it.
  const x = tensorOf(on, [1 + 2 ** -(fraction + 1) + 2 ** -45], [1], 'f64');
  expect([...(await valuesOf(x.cast(dtype)))]).toEqual([1 + 2 ** -fraction]);
});

it('is no part of the addon', () => {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  const addon = sharedObjects.find((name) => name.endsWith('/orthokit.node'))!;
  const holds = (file: string, symbol: string) => readFileSync(file).includes(symbol);
  expect(holds(addon, '_ZN8orthokit3cpu')).toBe(true);
  expect(holds(process.env['ORTHOKIT_REFERENCE_PLUGIN']!, '_ZN8orthokit5bench')).toBe(true);
  expect(holds(addon, '_ZN8orthokit5bench')).toBe(false);
});

const sum = (x: readonly number[], y: readonly number[]) => (on: Device) => ({
  out: [Tensor.full(on, [x.length], NaN)],
  x: [tensorOf(on, x)],
  y: [tensorOf(on, y)],
});

it('agrees with results that are within the bound', async () => {
  await expectLikeReference('divide', device, sum([1, 2, 3], [3, 7, 9]), { ulps: 1 });
});

it('differs from results that are not, with the field and the element', async () => {
  const differing = (on: Device) => sum([1, 2, on === device ? 3.000001 : 3], [3, 7, 9])(on);
  await expect(expectLikeReference('divide', device, differing, { ulps: 1 })).rejects.toThrow(
    /^divide: out\[0\] f32\[3\]: element 2: /,
  );
});
