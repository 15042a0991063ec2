// A list of numbers that is read one by one takes memory for the numbers, not for what JavaScript needs to hand each of
// them over.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Device, ops, Tensor } from '../../../dist/index.js';

const mega = 1 << 20;
const device = Device.open('cpu', { threads: 1 });
const x = Tensor.zeros(device, [2, 2]);
const coefficients = new Array(24 * mega + 1).fill(1);
const call = (list) => ops.newtonSchulz(device, { x, out: x.copy(), coefficients: list });
const codeOf = (list) => {
  try {
    call(list);
    return 'none';
  } catch (error) {
    return error.code;
  }
};
console.log(codeOf([1, 2, 3, 4]));
const [, used] = /^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
execFileSync('prlimit', ['--pid', `${process.pid}`, `--as=${used * 1024 + 300 * mega}`]);
console.log(codeOf([...coefficients.slice(0, 4)]), codeOf(coefficients));
await device.close();
