// A process of its own that shares tensors, opens those of others, and does what it is told.
// usage: fork(child.mjs, [cpu|cuda]); each message has one order and gets one answer
import { Device, Tensor } from '../../dist/index.js';

const device = Device.open(process.argv[2], process.argv[2] === 'cpu' ? { threads: 1 } : undefined);
/** One at a time. */
let tensor;
const orders = {
  /** Values, a shape and a dtype: their handle. */
  async make({ values, shape, dtype }) {
    tensor?.dispose();
    tensor = Tensor.full(device, shape, 0, { dtype });
    tensor.write(Array.isArray(values) ? Float32Array.from(values) : values);
    return { handle: await tensor.share() };
  },
  async open(handle) {
    tensor?.dispose();
    tensor = Tensor.fromShared(device, handle);
    return { dtype: tensor.dtype, shape: tensor.shape };
  },
  /** Shares a part of the tensor. */
  async rows([from, to]) {
    const part = tensor.rows(from, to);
    const handle = await part.share();
    part.dispose();
    return { handle };
  },
  async read() {
    return { values: Array.from(await tensor.read()) };
  },
  async write(values) {
    tensor.write(Float32Array.from(values));
    await device.synchronize();
    return {};
  },
  async dispose() {
    tensor.dispose();
    await device.synchronize();
    return { live: device.info.memory.live };
  },
};
process.on('message', async (message) => {
  const [[order, given]] = Object.entries(message);
  try {
    process.send(await orders[order](given));
  } catch ({ code, message }) {
    process.send({ code, message });
  }
});
