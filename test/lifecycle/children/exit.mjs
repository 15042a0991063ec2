// process.exit() with work in the queue, in all the ways a process ends: argument 2.
import { busyDevice } from './work.mjs';

const devices = [busyDevice(), busyDevice()];
devices[0].c.read();
const way = process.argv[2];
console.log('ready');
if (way === 'exit') process.exit(7);
if (way === 'exit-after-read') {
  devices[1].device.close();
  setImmediate(() => process.exit(7));
}
if (way === 'throw') throw new RangeError('uncaught');
if (way === 'reject') void Promise.reject(new RangeError('uncaught'));
if (way === 'kill') setTimeout(() => {}, 60_000);
