// The devices that a process finds, as one line of JSON. Argument 2: the module to import.
import { pathToFileURL } from 'node:url';

const from = process.argv[2] ? pathToFileURL(process.argv[2]) : new URL('../../../dist/index.js', import.meta.url);
const { Device, Tensor } = await import(from);
const found = { available: Device.available, unavailable: {}, info: {}, errors: {} };
for (const kind of ['cpu', 'cuda']) found.unavailable[kind] = Device.unavailable(kind) ?? null;
for (const name of ['cpu', 'cuda', 'cuda:1', 'reference']) {
  try {
    const device = Device.open(name);
    found.info[name] = device.info;
    await Tensor.zeros(device, [3]).read();
    await device.close();
  } catch (error) {
    found.errors[name] = { code: error.code, message: error.message };
  }
}
console.log(JSON.stringify(found));
