// Devices: cpu, cuda
// Source: closed form "drops what is small beside the norm of its column, and that alone"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops } from '../../../lib/index.ts';
import { columnCases, columnFields, refusesColumns } from '../../support/columns.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const fieldsOf = columnFields('norms', { least: 0.5 });

describe.each(devices)('drop_small on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(columnCases)('of %j in %s', (...given) =>
    expectLikeReference('dropSmall', device, fieldsOf(...given), { ulps: 0.5 }),
  );

  it('drops what is small beside the norm of its column, and that alone', async () => {
    const x = tensorOf(device, [1, 1, 1, 1e-200, NaN, 0.5, 1, 1, -1e-300, Infinity], [1, 2, 5], 'f64');
    const norms = tensorOf(device, [1, Infinity, NaN, 0, 4], [1, 5], 'f64');
    ops.dropSmall(device, { x, norms, out: x, least: 0.5 });
    expect([...(await valuesOf(x))]).toEqual([1, 1, 1, 1e-200, NaN, 0, 1, 1, -1e-300, Infinity]);
  });

  it('tells sizes whose squares f64 does not hold', async () => {
    for (const size of [1e-300, 1e-160, 1e160, 1e300]) {
      const x = tensorOf(device, [0.4 * size, 0.6 * size], [1, 1, 2], 'f64');
      ops.dropSmall(device, { x, norms: tensorOf(device, [size, size], [1, 2], 'f64'), out: x, least: 0.5 });
      expect([...(await valuesOf(x))]).toEqual([0, 0.6 * size]);
    }
  });

  it('refuses what does not fit', () => {
    const run = (more: object) => ops.dropSmall(device, { ...fieldsOf([2, 3, 4], 'f32')(device), ...more });
    refusesColumns(device, 'norms', run, [{ least: -1 }, { least: 1 }]);
  });
});
