import { expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../lib/index.ts';
import { thrownBy } from './tensors.ts';

type Fields = Record<string, unknown>;
const call = (op: keyof typeof ops, device: Device, fields: Fields) =>
  thrownBy(() => (ops[op] as (device: Device, fields: never) => void)(device, fields as never));
const isTensors = (value: unknown): value is Tensor | Tensor[] => typeof value === 'object' && value !== null;

/**
 * Refusals of every operation, each tested on fields that `valid` makes: a field that is missing (but for those in
 * `optional`), disposed or on another device, a field that does not exist.
 */
export function refusesWrongFields(
  op: keyof typeof ops,

  valid: (device: Device) => Fields,
  optional: readonly string[] = [],
): void {
  it('refuses fields that are missing, unknown, disposed or on another device', async () => {
    const [device, other] = [Device.open('cpu'), Device.open('cpu')];
    expect(call(op, device, { ...valid(device), extra: 1 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: `${op}: extra is not a field`,
    });
    const operands = Object.entries(valid(device)).filter(([, value]) => isTensors(value));
    for (const [field, value] of operands) {
      if (!optional.includes(field))
        expect(call(op, device, { ...valid(device), [field]: undefined })).toEqual({
          code: 'ERR_ARGUMENT',
          message: `${op}: ${field} is missing`,
        });
      expect(call(op, device, { ...valid(device), [field]: valid(other)[field] })).toEqual({
        code: 'ERR_DEVICE',
        message: `${op}: ${field} is on another device`,
      });
      for (const tensor of [value].flat() as Tensor[]) tensor.dispose();
      expect(call(op, device, { ...valid(device), [field]: value })).toMatchObject({
        code: 'ERR_DISPOSED',
        message: expect.stringContaining(`${op}: ${field} `),
      });
    }
    await device.close();
    await other.close();
  });
}

/** Changes to valid fields, each with the code and the message that it must throw. */
export function refuses(
  op: keyof typeof ops,
  valid: (device: Device) => Fields,
  cases: (device: Device) => readonly (readonly [change: Fields, code: string, message: string])[],
): void {
  it('refuses shapes, dtypes, values and aliases that do not fit', async () => {
    const device = Device.open('cpu');
    for (const [change, code, message] of cases(device))
      expect(call(op, device, { ...valid(device), ...change })).toEqual({ code, message });
    await device.close();
  });
}
