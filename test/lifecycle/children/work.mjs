import { Device, ops, Tensor } from '../../../dist/index.js';

/** A device with work queued, about 50 ms a round on one core: a product, a Muon step, a small write. */
export function busyDevice(rounds = 50) {
  const device = Device.open('cpu');
  const zeros = (...shape) => Tensor.zeros(device, shape);
  const [a, b, c, small] = [zeros(1000, 1000), zeros(1000, 1000), zeros(1000, 1000), zeros(1000)];
  const [weights, grads, momenta] = [[zeros(300, 300)], [zeros(300, 300)], [zeros(300, 300)]];
  const coefficients = Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]).flat();
  for (let i = 0; i < rounds; i++) {
    ops.gemm(device, { a, b, c });
    ops.muon(device, { weights, grads, momenta, lr: 0.02, coefficients });
    small.write(new Float32Array(1000));
  }
  return { device, c };
}
