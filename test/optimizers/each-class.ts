// The frame of tests that every class must pass on every device.
import { afterAll, describe, expect } from 'vitest';
import { Device, type Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { runAxis } from '../support/selection.ts';
import { classes, gradsOf, type OptimizerClass, shapesFor, weightsOf } from './classes.ts';

/** An error of the library with this code. */
export const code = (name: string): object => expect.objectContaining({ name: 'OrthokitError', code: name });

export interface OnDevice {
  kind: 'cpu' | 'cuda';
  device: Device;
  /** Runs with a device of its own, whose tensors are those of the test alone. */
  alone: (work: (device: Device) => void | Promise<void>) => () => Promise<void>;
}
export interface OfClass extends OnDevice {
  name: string;
  Class: OptimizerClass;
  shapes: number[][];
  start: (on?: Device) => Tensor[];
  grads: (step: number, scale?: number, on?: Device) => Tensor[];
}

export function eachDevice(define: (on: OnDevice) => void): void {
  describe.each(devices)('on %s', (kind) => {
    const device = Device.open(kind, kind === 'cpu' ? { threads: 2 } : {});
    afterAll(() => device.close());
    const alone: OnDevice['alone'] = (work) => async () => {
      const own = Device.open(kind, kind === 'cpu' ? { threads: 1 } : {});
      await work(own);
      await own.close();
    };
    define({ kind, device, alone });
  });
}

// A version of Node.js breaks what all classes share, if it breaks anything.
const asked = runAxis() === 'node' ? classes.filter(([name]) => name === 'Muon') : classes;

/** `tags` name the goal that the tests belong to, if there is one. */
export function eachClass(title: string, tags: string[], define: (of: OfClass) => void): void {
  eachDevice((on) => {
    describe.each(asked)(`${title}%s`, { tags }, (name, Class) => {
      const shapes = shapesFor(on.device, Class);
      const start: OfClass['start'] = (device = on.device) => weightsOf(device, shapes);
      const grads: OfClass['grads'] = (step, scale = 1, device = on.device) => gradsOf(device, shapes, step, scale);
      define({ ...on, name, Class, shapes, start, grads });
    });
  });
}
