// Shared by tests of files that do not fit: an optimizer that must stay as it is, and a file that it takes.
import { writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { AdamW, type Device, type Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { everything } from './checkpoints.ts';
import { type AnyOptimizer, gradsOf, weightsOf } from './classes.ts';

/** Shapes of the parameters, a group each. */
export const shapes = [[4, 5], [6]];

export interface KeptOptimizer {
  readonly folder: Folder;
  /** A file that the optimizer takes, of another state than it has. */
  readonly file: string;
  readonly weights: Tensor[];
  readonly optimizer: AdamW;
  /** Loads a file of these bytes. */
  loading(bytes: Uint8Array): Promise<unknown>;
  /** Asserts that all is as it was. */
  unchanged(): Promise<void>;
  /** The present state must stay from here on. */
  renew(): Promise<void>;
}

export async function keptOptimizer(device: Device): Promise<KeptOptimizer> {
  const folder = new Folder();
  const file = folder.file('good');
  const weights = weightsOf(device, shapes);
  const groups = [
    { name: 'a', params: weights.slice(0, 1) },
    { name: 'b', params: weights.slice(1) },
  ];
  const optimizer = new AdamW(groups, { lr: 0.02 });
  optimizer.step(gradsOf(device, shapes, 1));
  await optimizer.save(file, { metadata: { note: 'x' } });
  // Another state than that of the file, so that a change would show.
  optimizer.step(gradsOf(device, shapes, 2));
  optimizer.groups[0]!.lr = 0.5;
  const now = () => everything(optimizer as unknown as AnyOptimizer, weights);
  let before = await now();
  return {
    ...{ folder, file, weights, optimizer },
    loading(bytes) {
      writeFileSync(folder.file('bad'), bytes);
      return optimizer.load(folder.file('bad'));
    },
    async unchanged() {
      expect(await now()).toEqual(before);
    },
    async renew() {
      before = await now();
    },
  };
}
