// Devices: cpu, cuda
// Source: closed form "columns end with norm 1, or 0"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops } from '../../../lib/index.ts';
import { columnCases, columnFields, refusesColumns } from '../../support/columns.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const fieldsOf = columnFields('squares', { eps: 0.25, least: 0.125 });

describe.each(devices)('unit_columns on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(columnCases)('of %j in %s', (...given) =>
    expectLikeReference('unitColumns', device, fieldsOf(...given), { ulps: 2 }),
  );

  it('columns end with norm 1, or 0', async () => {
    const x = tensorOf(device, [3, 0, 3e-30, 4, 0, 4e-30], [1, 2, 3], 'f64');
    const squares = tensorOf(device, [25, 0, 25e-60], [1, 3], 'f64');
    ops.unitColumns(device, { x, squares, out: x });
    const got = await valuesOf(x);
    for (const [i, value] of [0.6, 0, 0.6, 0.8, 0, 0.8].entries()) expect(got[i]).toBeCloseTo(value, 14);
  });

  it('refuses what does not fit', () => {
    const run = (more: object) => ops.unitColumns(device, { ...fieldsOf([2, 3, 4], 'f32')(device), ...more });
    refusesColumns(device, 'squares', run, [{ eps: -1 }, { least: 1 }]);
  });
});
