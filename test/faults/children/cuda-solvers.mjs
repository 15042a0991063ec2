// Each request of a solver for memory of the emulated device fails in turn: ERR_MEMORY, nothing leaked, inputs as they were,
// and the same call then gives the right bits.
// usage: node cuda-solvers.mjs <folder of two models> <most>
import { createRequire } from 'node:module';
import path from 'node:path';
import * as library from '../../../dist/index.js';
import { Checker } from './allocations/check.mjs';
import { checkSolvers } from './allocations/solvers.mjs';

const [folder, most] = process.argv.slice(2);
const emulator = path.join(path.dirname(path.resolve(process.env.ORTHOKIT_CUDA_PLUGIN)), 'emulator_control.node');
const { control, lastFinding } = createRequire(import.meta.url)(emulator);
const request = 'cudaMallocAsync';

const device = library.Device.open('cuda');

/** The device keeps memory that is free, until a request cannot be met. */
function emptyPool() {
  try {
    new library.Tensor(device, [2 ** 28]).dispose();
  } catch (error) {
    if (error.code !== 'ERR_MEMORY') throw error;
  }
}

/** Orders as those of the CPU's addon. A request is made again, up to six times, as free memory and queued work are given up. */
class EmulatorOrders {
  #number = Infinity;

  failAt(number) {
    this.count();
    this.#number = number;
    for (let i = 0; i < 6; i++) control(`fail=${request}:${number}:2`);
  }
  count() {
    emptyPool();
    this.stop();
  }
  stop() {
    this.#number = Infinity;
    control('succeed');
  }
  get counts() {
    const requests = control(`calls?${request}`);
    const live = control('allocations?') + control('pinned?');
    return { requests, failed: requests >= this.#number ? 1 : 0, live };
  }
}

const ways = { most: Number(most), lasting: false, queued: false };
const { OrthokitError } = library;
const checker = new Checker({ device, orders: new EmulatorOrders(), OrthokitError, ...ways });
await checkSolvers({ checker, device, folder, library });
await device.close();
const { summary, problems } = checker;
for (const what of ['allocations', 'pinned', 'findings']) {
  const left = control(`${what}?`);
  if (left !== 0) problems.push(`${left} ${what} left ${lastFinding()}`);
}
console.log(JSON.stringify({ ...summary, problems }));
