import { Device, type Muon, Tensor } from 'orthokit';

declare const optimizer: Muon;
const device = Device.open('cpu');
const weights: Tensor = Tensor.from(device, new Float32Array(4), [2, 2]);
optimizer.step([weights, null]);
