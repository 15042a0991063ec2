import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
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

// Each sub-path has the classes of the root, whichever way it is loaded.
const require = createRequire(import.meta.url);
for (const key of Object.keys(require('orthokit/package.json').exports)) {
  const name = path.posix.join('orthokit', key);
  if (name.endsWith('.json')) continue;
  const [imported, required] = [await import(name), require(name)];
  assert.ok(Object.keys(imported).length > 0, name);
  for (const own of Object.keys(imported)) assert.equal(required[own], imported[own], `${name}: ${own}`);
}
assert.equal((await import('orthokit/optimizers')).Muon, Muon);

assert.throws(() => Tensor.from(device, new Float32Array(3), [2, 2]), OrthokitError);
await device.close();
