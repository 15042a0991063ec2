// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

class Model {
  readonly norm: nn.BatchNorm;
  readonly layer: nn.Linear;

  constructor(device: Device) {
    const make = nn.init(device, { seed: 1, dtype: 'f64' });
    this.norm = make.batchNorm(4);
    this.layer = make.linear(3, 4, { deviation: 1 });
  }

  forward(x: nn.Arg): nn.Value {
    return nn.batchNorm(this.norm, nn.linear(this.layer, x));
  }
}

describe.each(devices)('batchNorm of networks on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const x = tensorOf(device, normal(18, 2), [6, 3], 'f64');
  const loss = (model: nn.Traced<Model>, input: Tensor) => {
    const y = model.forward(input);
    return nn.sum(nn.multiply(y, nn.gelu(y)));
  };
  const repeated = nn.recompute((model: nn.Traced<Model>, input: nn.Arg) => {
    const inner = nn.recompute((again: nn.Traced<Model>, same: nn.Arg) => again.forward(same));
    return nn.gelu(inner(model, input));
  });
  const running = async ({ norm }: Model) => {
    const { mean, variance } = norm as { mean: Tensor; variance: Tensor };
    return [...(await valuesOf(mean)), ...(await valuesOf(variance))];
  };
  /** By the formula, from the outputs of the layer. */
  const moved = async (model: Model, times: number) => {
    using hidden = nn.forward((m: Model, input: Tensor) => nn.linear(m.layer, input));
    const y = await valuesOf(hidden(model, x));
    const columns = [0, 1, 2, 3].map((j) => [0, 1, 2, 3, 4, 5].map((i) => y[4 * i + j]!));
    const kept = 0.9 ** times;
    const means = columns.map((column) => column.reduce((sum, v) => sum + v, 0) / 6);
    const variances = columns.map((column, j) => column.reduce((sum, v) => sum + (v - means[j]!) ** 2, 0) / 5);
    return [...means.map((m) => (1 - kept) * m), ...variances.map((v) => kept + (1 - kept) * v)];
  };
  const expectNear = (actual: readonly number[], expected: readonly number[]) => {
    for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i]!, 12);
  };

  it('moves the running moments once a gradient, in parts that are repeated too', async () => {
    const model = new Model(device);
    using step = nn.valueAndGrad(loss);
    using again = nn.valueAndGrad((m: nn.Traced<Model>, input: Tensor) => nn.sum(repeated(m, input)));
    step(model, x);
    expectNear(await running(model), await moved(model, 1));
    again(model, x);
    expectNear(await running(model), await moved(model, 2));
    step.accumulate(model, x);
    expectNear(await running(model), await moved(model, 3));
  });

  it('leaves them in other calls, whose moments are those of the batch too', async () => {
    const model = new Model(device);
    const before = await running(model);
    const direction = new Map(
      nn.parameters(model).map((tensor) => [tensor, Tensor.full(device, tensor.shape, 0.5, { dtype: 'f64' })]),
    );
    using slope = nn.jvp((m: nn.Traced<Model>, input: Tensor) => m.forward(input));
    using newton = nn.gaussNewton((m: nn.Traced<Model>, input: Tensor) =>
      nn.squaredError(m.forward(input), nn.detach(nn.linear(m.layer, input))),
    );
    using hessian = nn.hvp(loss);
    using infer = nn.forward((m: Model, input: Tensor) => m.forward(input));
    using step = nn.valueAndGrad(loss);
    slope(model, direction, x);
    newton(model, direction, x);
    const { value } = hessian(model, direction, x);
    infer(model, x);
    expect(await running(model)).toEqual(before);
    expect(await valuesOf(value)).toEqual(await valuesOf(step(model, x).value));
  });

  it('takes the running moments in forward', async () => {
    const model = new Model(device);
    const { mean, variance } = model.norm as { mean: Tensor; variance: Tensor };
    mean.write(Float64Array.of(1, 2, 3, 4));
    variance.write(Float64Array.of(4, 9, 16, 25));
    using infer = nn.forward((m: Model, input: Tensor) => nn.batchNorm(m.norm, input, { eps: 1e-12 }));
    const rows = tensorOf(device, [3, 5, 7, 9], [1, 4], 'f64');
    expectNear([...(await valuesOf(infer(model, rows)))], [1, 1, 1, 1]);
  });

  it('refuses gradients of samples, moments that are trained, and one row', () => {
    const model = new Model(device);
    using each = nn.valueAndGrad(loss, { perSample: true });
    expect(thrownBy(() => each(model, x))).toEqual({
      code: 'ERR_UNSUPPORTED',
      message:
        'nn.batchNorm of norm.weight: batchNorm: perSample must meet functions of each sample alone, got the moments of all samples',
    });
    using step = nn.valueAndGrad(loss);
    expect(thrownBy(() => step(model, tensorOf(device, [1, 2, 3], [1, 3], 'f64')))).toEqual({
      code: 'ERR_SHAPE',
      message:
        'nn.batchNorm of norm.weight: batchNorm: x must have two rows or more, of which a variance is, got f64[1, 4]',
    });
    const norm = { ...model.norm, mean: Tensor.zeros(device, [4], { dtype: 'f64' }) };
    expect(thrownBy(() => step({ ...model, norm, forward: Model.prototype.forward }, x))).toEqual({
      code: 'ERR_ARGUMENT',
      message:
        'nn.batchNorm of norm.weight: batchNorm: mean must be an nn.buffer, which is not trained, got a parameter',
    });
  });
});
