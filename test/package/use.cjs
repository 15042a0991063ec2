const assert = require('node:assert/strict');
const { Device, SGD, Tensor } = require('orthokit');

assert.ok(Device.available.includes('cpu'));
assert.equal(require('orthokit/package.json').name, 'orthokit');

void (async () => {
  const device = Device.open('cpu');
  const weights = Tensor.from(device, [1], [1]);
  new SGD([weights], { lr: 0.5 }).step([Tensor.from(device, [1], [1])]);
  assert.deepEqual(Array.from(await weights.read()), [0.5]);
  await device.close();
})();
