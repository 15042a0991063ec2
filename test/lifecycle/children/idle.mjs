// A device that is never closed lets the process end.
import { Device, Tensor } from '../../../dist/index.js';

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const device = Device.open(kind);
Tensor.zeros(device, [1000]);
console.log('idle');
