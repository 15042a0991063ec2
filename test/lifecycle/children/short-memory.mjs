// In a process without memory left for what is asked for, calls say so, and the rest goes on.
// usage: node short-memory.mjs <folder for files>
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { AdamW, Device, loadTensors, saveTensors, Tensor } from '../../../dist/index.js';

const [folder] = process.argv.slice(2);
const file = (name) => path.join(folder, name);
const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const mega = 1 << 20;
const device = Device.open(kind, kind === 'cpu' ? { threads: 2 } : {});

async function attempt(name, call) {
  try {
    await call();
    console.log(name, 'went on');
  } catch (error) {
    console.log(name, error.code);
  }
}

// Each tensor alone, 160 MB, is more than the memory that is left: no call takes a part of it before it fails.
const weight = Tensor.zeros(device, [40 * mega]);
const gradient = Tensor.zeros(device, [40 * mega]);
const optimizer = new AdamW([weight]);
optimizer.step([gradient]);
gradient.dispose();
const x = new Tensor(device, [80 * mega]);
const small = Tensor.from(device, [1, 2, 3], [3]);
await saveTensors(file('small'), { small });
// Less than what is asked for, and enough for the collector and for the stacks of new threads.
const left = 120 * mega;
const [, used] = /^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
execFileSync('prlimit', ['--pid', `${process.pid}`, `--as=${used * 1024 + left}`]);

await attempt('read', () => x.read());
await attempt('saveTensors', () => saveTensors(file('x'), { x }));
await attempt('save', () => optimizer.save(file('state')));
console.log(...(await (await loadTensors(file('small'), device)).small.read()));
await device.close();
