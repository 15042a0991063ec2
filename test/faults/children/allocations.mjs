// Each request for memory of a call fails in turn: ERR_MEMORY, nothing leaked, inputs as they were, and the same call
// then gives the right bits.
// usage: node allocations.mjs <folder of the library> <orders> <most> <lasting> <queued> <sitting> <of how many>
import path from 'node:path';
import { checkAdapters } from './allocations/adapters.mjs';
import { checkAlgebra } from './allocations/algebra.mjs';
import { Checker, Orders } from './allocations/check.mjs';
import { checkCurvature } from './allocations/curvature.mjs';
import { checkMerging } from './allocations/merging.mjs';
import { checkNetworks } from './allocations/networks.mjs';
import { checkOperations } from './allocations/operations.mjs';
import { checkOptimizers } from './allocations/optimizers.mjs';
import { checkQuantized } from './allocations/quantized.mjs';
import { checkSolvers } from './allocations/solvers.mjs';
import { checkTensors } from './allocations/tensors.mjs';

const [folder, ordersFile, most, lasting, queued, sitting, sittings] = process.argv.slice(2);
const library = await import(path.join(folder, 'lib', 'index.js'));
const { native } = await import(path.join(folder, 'lib', 'core', 'native.js'));
const { Device, OrthokitError } = library;

const orders = new Orders(ordersFile, lasting === '1');
const device = Device.open('cpu', { threads: 2 });
const ways = { most: Number(most), lasting: lasting === '1', queued: queued === '1' };
const share = { sitting: Number(sitting), sittings: Number(sittings) };
const checker = new Checker({ device, orders, OrthokitError, ...ways, ...share });
const given = { checker, device, folder, library, native };
const checks = [
  checkOperations,
  checkOptimizers,
  checkSolvers,
  checkAlgebra,
  checkCurvature,
  checkMerging,
  checkAdapters,
  checkNetworks,
  checkQuantized,
  checkTensors,
];
for (const check of checks) await check(given);

await device.close();
let { failedBlocks, liveBlocks } = orders.counts;
// Devices close behind the scenes.
for (let i = 0; i < 100 && liveBlocks > 0; i++) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  ({ failedBlocks, liveBlocks } = orders.counts);
}
const { summary, problems } = checker;
// A device that finds no memory for the thread that closes it stays until the process ends.
if (liveBlocks !== 0 && lasting !== '1') problems.push(`${liveBlocks} blocks of devices are not back`);
orders.close();
console.log(JSON.stringify({ ...summary, failedBlocks, problems }));
