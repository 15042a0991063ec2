import { Device, ops, Tensor } from '../../../dist/index.js';

// CUDA's emulator is slower, and a kernel that has begun must end.
const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const [side, step] = kind === 'cpu' ? [1000, 300] : [150, 60];

/** A device with work queued, about 50 ms a round on one core: a product, a Muon step, a small write. */
export function busyDevice(rounds = 50) {
  const device = Device.open(kind);
  const zeros = (...shape) => Tensor.zeros(device, shape);
  const [a, b, c, small] = [zeros(side, side), zeros(side, side), zeros(side, side), zeros(1000)];
  const [weights, grads, momenta] = [[zeros(step, step)], [zeros(step, step)], [zeros(step, step)]];
  const coefficients = Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]).flat();
  const queue = (count) => {
    for (let i = 0; i < count; i++) {
      ops.gemm(device, { a, b, c });
      ops.muon(device, { weights, grads, momenta, lr: 0.02, coefficients });
      small.write(new Float32Array(1000));
    }
  };
  queue(rounds);
  return { device, c, queue };
}
