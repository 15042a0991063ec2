// A device that is never closed lets the process end.
import { Device, Tensor } from '../../../dist/index.js';

const device = Device.open('cpu');
Tensor.zeros(device, [1000]);
console.log('idle');
