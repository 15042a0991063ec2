import { passOf } from '../../core/call.ts';
import type { Device } from '../../core/device.ts';
import { calls } from '../../core/native-ops/calls.ts';
import type { Ops } from '../../core/native-ops.ts';

/** Operations on one device. */
export type DeviceOps = { readonly [K in keyof Ops]: (fields: Parameters<Ops[K]>[1]) => void };

export const opsOn = (device: Device): DeviceOps =>
  Object.fromEntries(
    Object.entries(calls).map(([name, call]) => {
      const pass = passOf(call);
      return [name, (fields: object) => pass(device, fields)];
    }),
  ) as unknown as DeviceOps;
