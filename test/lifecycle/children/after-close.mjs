// Using a closed device throws and keeps nothing alive.
import { busyDevice } from './work.mjs';

const { device, c } = busyDevice(3);
const closed = device.close();
for (const call of [() => c.read(), () => device.synchronize(), () => device.close(), () => device.flow()])
  try {
    await call();
    console.log('nothing was thrown');
  } catch (error) {
    console.log(error.code);
  }
await closed;
try {
  await c.read();
} catch (error) {
  console.log(error.code);
}
