import { describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { devices } from './devices.ts';
import { checkValues, type Method } from './steps.ts';

export interface CheckValue {
  name: string;
  options: Record<string, unknown> & { lr: number };
  /** W₃[0,0], W₃[m−1,n−1], ‖W₃ − W₀‖ of a 4×6 and a 6×4 matrix, to ten digits. */
  wide: readonly number[];
  tall?: readonly number[];
}

/** Three steps in f64 against numbers that were computed with the methods' own programs. */
export function describeCheckValues(method: Method, list: readonly CheckValue[]): void {
  describe.each(devices)(`${method.op}, check values on %s`, (kind) => {
    it.each(list)('$name', async ({ options, wide, tall }) => {
      const device = Device.open(kind);
      const own = { ...method, options };
      const shapes = [[4, 6, wide] as const, ...(tall ? [[6, 4, tall] as const] : [])];
      for (const [rows, columns, expected] of shapes) {
        const actual = await checkValues(device, own, rows, columns);
        for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 9);
      }
      await device.close();
    });
  });
}
