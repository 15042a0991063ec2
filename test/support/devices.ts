// The device of this run, for files that are for several: `describe.each(devices)('… on %s', (kind) => …)`.
import { runDevice } from './selection.ts';

export type Kind = 'cpu' | 'cuda';

/** The device that this run is for: ORTHOKIT_TEST_DEVICE. */
export const kind: Kind = runDevice() === 'cpu' ? 'cpu' : 'cuda';
export const devices: readonly Kind[] = [kind];
/** For the part of a file that a run on another device need not repeat. */
export const onlyCpu: readonly 'cpu'[] = kind === 'cpu' ? [kind] : [];
/** For the part of a file that compares another device with the CPU. */
export const onlyCuda: readonly 'cuda'[] = kind === 'cuda' ? [kind] : [];
