// Tensors, devices, files of tensors.
import path from 'node:path';
import { bitsOf, data } from './bits.mjs';

export async function checkTensors({ checker, device, folder, library }) {
  const { Device, Tensor, ops } = library;
  const x = Tensor.from(device, data([31, 33], 1), [31, 33]);
  const tensorFile = path.join(folder, 'tensors');
  await library.saveTensors(tensorFile, { x });
  const values = data([31, 33], 2);
  const made = async (make) => {
    const tensor = await make();
    tensor.dispose();
  };
  const onNewDevice = async (use) => {
    const other = Device.open('cpu', { threads: 2 });
    try {
      await use(other);
    } finally {
      checker.orders.stop();
      await other.close();
    }
  };
  const calls = {
    'Tensor.from': () => made(() => Tensor.from(device, values, [31, 33])),
    'Tensor.from, rounded': () => made(() => Tensor.from(device, values, [31, 33], { dtype: 'bf16' })),
    'Tensor.zeros': () => made(() => Tensor.zeros(device, [31, 33])),
    'Tensor.randn': () => made(() => Tensor.randn(device, [31, 33], { seed: 1 })),
    copy: () => made(() => x.copy()),
    cast: () => made(() => x.cast('f16')),
    reshape: () => made(() => x.reshape([33, 31])),
    read: () => x.read(),
    'several reads': () => Promise.all([x, x, x].map((one) => one.read())),
    write: () => x.write(await_read),
    synchronize: () => device.synchronize(),
    flow: () => device.flow(),
    info: () => device.info,
    'Device.open and close': async () => {
      const other = Device.open('cpu', { threads: 2 });
      try {
        await other.close();
      } catch (error) {
        checker.orders.stop();
        await other.close();
        throw error;
      }
    },
    // The pool of another device is empty: each tensor asks for a block, and each kernel for scratch memory.
    'Device.open, tensors and scratch': () =>
      onNewDevice(async (other) => {
        const ones = Tensor.from(
          other,
          values.map(() => 1),
          [31, 33],
        );
        const norm = Tensor.zeros(other, [1], { dtype: 'f64' });
        ops.norms(other, { x: [ones], out: norm });
        const [found] = await norm.read();
        if (Math.abs(found - Math.sqrt(31 * 33)) > 1e-9) throw new Error(`the norm is ${found}`);
      }),
    'Device.unavailable': () => Device.unavailable('cuda'),
    saveTensors: () => library.saveTensors(path.join(folder, 'saved'), { x }),
    loadTensors: async () => (await library.loadTensors(tensorFile, device)).x.dispose(),
    readTensorInfo: () => library.readTensorInfo(tensorFile),
  };
  const await_read = await x.read();
  for (const [name, call] of Object.entries(calls))
    await checker.check({
      name,
      reset: () => {},
      call,
      results: () => bitsOf([x]),
      inputs: () => bitsOf([x]),
      opens: name.startsWith('Device.open'),
    });
  x.dispose();
}
