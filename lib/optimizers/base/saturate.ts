import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import type { Entry } from './entry.ts';

const largest = 65504;

/**
 * State of f16 ends at 65,504: a moment that passes it stays there, as the next step would make NaN of infinity, though
 * each gradient was finite. NaN stays. Queued; one read and write of that state.
 */
export function saturate(device: Device, entries: readonly Entry[]): void {
  const narrow = entries.flatMap(({ tensors }) => Object.values(tensors).filter(({ dtype }) => dtype === 'f16'));
  if (narrow.length === 0) return;
  ops.map(device, { x: narrow, out: narrow, function: 'clamp', parameters: [-largest, largest] });
}
