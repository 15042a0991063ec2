// Ends in the way that argument 2 names, with work in the queue, or with as many rounds of it as argument 3 says.
import { busyDevice } from './work.mjs';

const rounds = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
const devices = [busyDevice(rounds), busyDevice(rounds)];
devices[0].c.read();
const stay = () => setTimeout(() => {}, 60_000);
const ways = {
  exit: () => process.exit(7),
  'exit-later': () => {
    devices[1].device.close();
    setImmediate(() => process.exit(7));
  },
  throw: () => {
    throw new RangeError('uncaught');
  },
  reject: () => void Promise.reject(new RangeError('uncaught')),
  SIGTERM: stay,
  SIGINT: stay,
  'SIGINT twice': stay,
};
const way = process.argv[2];
// As servers do it: the first begins to close, the second ends.
if (way === 'SIGINT twice')
  process.once('SIGINT', () => {
    process.once('SIGINT', () => process.exit(130));
    devices[1].device.close();
    console.log('closing');
  });
console.log('ready');
ways[way]();
