// With ORTHOKIT_SYNC=1 queued work fails where it is called.
import { Device, ops, Tensor } from '../../../dist/index.js';

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const device = Device.open(kind);
const x = [Tensor.full(device, [2], Number.NaN)];
const guard = Tensor.zeros(device, [1], { dtype: 'f64' });
try {
  ops.checkFinite(device, { x, guard, action: 'throw' });
  console.log('queued');
} catch (error) {
  console.log('thrown', error.code);
}
try {
  ops.fill(device, { x, value: 2 });
  console.log(...(await x[0].read()));
} catch (error) {
  console.log('rejected', error.code);
}
