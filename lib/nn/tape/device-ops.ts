import type { Device } from '../../core/device.ts';
import { type Ops, ops } from '../../core/native-ops.ts';

/** Operations on one device. */
export type DeviceOps = { readonly [K in keyof Ops]: (fields: Parameters<Ops[K]>[1]) => void };

export const opsOn = (device: Device): DeviceOps =>
  Object.fromEntries(
    Object.entries(ops).map(([name, op]) => [name, (fields: never) => op(device, fields)]),
  ) as unknown as DeviceOps;
