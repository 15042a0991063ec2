// Prints each warning of the process: two results that have not converged, one that has, one as right as numbers allow.
import process from 'node:process';
import { Device, sinkhorn, Tensor } from '../../../dist/index.js';

process.on('warning', ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })));
const device = Device.open('cpu', { threads: 1 });
const cost = Tensor.from(device, Float64Array.of(0, 1, 2, 1, 0, 3), [2, 3]);
for (const options of [{}, { tol: 1e-30 }, { maxSweeps: 1, maxNewton: 1 }, { maxSweeps: 2, maxNewton: 1 }])
  console.log((await sinkhorn(cost, options)).status);
await device.close();
