import orthokit = require('orthokit');

import type { Dtype } from 'orthokit' with { 'resolution-mode': 'import' };

const device: orthokit.Device = orthokit.Device.open('cpu', { threads: 1 });
const dtype: Dtype = 'f32';
const weights: orthokit.Tensor = orthokit.Tensor.zeros(device, [2, 2], { dtype });
new orthokit.AuON([weights], { variant: 'head' }).step([weights]);
// @ts-expect-error
new orthokit.AuON([weights], { variant: 'tail' });
