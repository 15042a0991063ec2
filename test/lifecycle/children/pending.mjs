// Reads that nobody awaits finish before the process ends.
import { busyDevice } from './work.mjs';

const { device, c } = busyDevice(3);
c.read().then((values) => console.log('read', values.length));
device.synchronize().then(() => console.log('synchronized'));
