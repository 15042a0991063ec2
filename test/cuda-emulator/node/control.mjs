// usage: node control.mjs <emulator_control.node>
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

const { control, lastFinding } = createRequire(import.meta.url)(process.argv[2]);

assert.equal(control('findings?'), 0);
assert.equal(control('allocations?'), 0);
assert.equal(control('streams=deferred'), 0);
assert.equal(control('fail=cudaMallocAsync:2:2'), 0);
assert.equal(control('clear'), 0);
assert.equal(lastFinding(), '');
assert.throws(() => control('streams=sideways'), /does not understand/);
assert.throws(() => control(7), TypeError);

// The emulator of a process is one: a worker sees what the main thread has set.
const worker = new Worker(
  `const { control } = require(${JSON.stringify(process.argv[2])});
   require('node:worker_threads').parentPort.postMessage(control('checked?'));`,
  { eval: true },
);
const answer = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
assert.equal(answer, control('checked?'));
