// Devices: cpu
// A class of a caller's that extends one of ours may have members of any names: nothing of ours is in their place.
import { expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { denseMeasurement, MatrixSensing } from '../../lib/lowrank/index.ts';
import { QZO } from '../../lib/quantized/index.ts';

it('keeps its steps where a class that extends it has a method `keep`', async () => {
  class Own extends QZO {
    keep(): string {
      return 'the class that extends it';
    }
  }
  await using device = Device.open('cpu', { threads: 1 });
  const own = new Own([Tensor.full(device, [4], 1)]);
  expect(own.keep()).toBe('the class that extends it');
  expect(own.stateBytes).toBeGreaterThan(0);
  own.dispose();
  expect(own.stateBytes).toBe(0);
});

it('disposes of a descent where a class that extends it has methods `keep` and `checkAlive`', async () => {
  class Own extends MatrixSensing {
    keep(): number {
      return 1;
    }
    checkAlive(): number {
      return 2;
    }
  }
  await using device = Device.open('cpu', { threads: 1 });
  const measurement = denseMeasurement(Tensor.full(device, [6, 3, 2], 1));
  const own = new Own(measurement, Tensor.full(device, [6], 1), { rank: 1 });
  expect([own.keep(), own.checkAlive(), own.steps]).toEqual([1, 2, 0]);
  own.factors();
  own.dispose();
  expect(() => own.factors()).toThrow('MatrixSensing.factors: sensing has been disposed');
});
