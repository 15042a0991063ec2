// Devices that are dropped, not closed, are collected before there are many. Prints the most threads that there were.
import { readdirSync } from 'node:fs';
import { Device } from '../../../dist/index.js';

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
let most = 0;
for (let i = 0; i < 500; i++) {
  Device.open(kind, kind === 'cpu' ? { threads: 2 } : {});
  await new Promise((resolve) => setImmediate(resolve));
  most = Math.max(most, readdirSync('/proc/self/task').length);
}
console.log(most);
