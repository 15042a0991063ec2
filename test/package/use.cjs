const assert = require('node:assert/strict');
const { Device } = require('orthokit');

assert.ok(Device.available.includes('cpu'));
assert.equal(require('orthokit/package.json').name, 'orthokit');
