import assert from 'node:assert/strict';
import { Device, Muon, OrthokitError, Tensor } from 'orthokit';

const device = Device.open('cpu');
const weights = Tensor.from(device, new Float32Array([1, 0, 0, 1]), [2, 2]);
const gradient = Tensor.from(device, new Float32Array([1, 2, 3, 4]), [2, 2]);
const optimizer = new Muon([weights], { lr: 0.1, weightDecay: 0 });
optimizer.step([gradient]);
const after = await weights.read();
// The polar factor of [[1, 2], [3, 4]] is [[-3, 5], [5, 3]] / √34. Muon's coefficients leave singular values
// between about 0.68 and 1.13 instead of 1.
const polar = [-3, 5, 5, 3].map((value) => value / Math.sqrt(34));
const identity = [1, 0, 0, 1];
for (const [i, value] of after.entries()) {
  const step = (identity[i] - value) / 0.1;
  assert.ok(Math.abs(step - polar[i]) < 0.33, `weights ${after}`);
}

assert.throws(() => Tensor.from(device, new Float32Array(3), [2, 2]), OrthokitError);
await device.close();
