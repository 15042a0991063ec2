// Devices: cpu
// Losses that gaussNewton takes, and those that it refuses by name.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { onlyCpu } from '../support/devices.ts';

describe.each(onlyCpu)('losses of gaussNewton on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (...values: number[]) => Tensor.from(device, Float64Array.from(values), [values.length]);
  const model = { w: tensor(1, 2), u: tensor(3, 4) };
  type Model = nn.Traced<typeof model>;
  const v = new Map([[model.w, tensor(1, -1)]]);
  const product = (loss: (m: Model) => nn.Value) => nn.gaussNewton(loss)(model, v).product;

  /** x · y, whose second derivative by x is taken to be 2. */
  const own = nn.defineFunction('own', (frame, x: nn.Arg, y: nn.Arg) => {
    const out = frame.buffer([1], 'f64');
    ops.dots(frame.device, { x: [frame.tensor(x)], y: [frame.tensor(y)], out });
    return {
      out,
      inputs: [x, y],
      backward: () => undefined,
      curvature: (along, to) => ops.linearCombination(frame.device, { out: [to], terms: [along], coefficients: [2] }),
    };
  });

  it('a function of one’s own has the curvature of its first input', async () => {
    const found = product((m) => own(m.w, model.u.copy()));
    expect([...(await found.get(model.w)!.read())]).toEqual([2, -2]);
  });

  it('the loss need not be what was called last', async () => {
    const found = product((m) => {
      const loss = nn.squaredError(m.w, nn.detach(m.u));
      nn.softmax(m.u);
      return loss;
    });
    expect([...(await found.get(model.w)!.read())]).toEqual([1, -1]);
  });

  it.each([
    ['two inputs of one’s own', (m: Model) => own(m.w, m.u), 'nn.own must depend on its first input alone, got others'],
    ['no second derivative', (m: Model) => nn.sum(m.w), 'the loss must have a second derivative, got nn.sum'],
    [
      'no parameter',
      (m: Model) => nn.squaredError(nn.detach(m.w), nn.detach(m.u)),
      'a parameter of the model must matter for the loss, got none',
    ],
  ])('%s is refused', (_, loss, words) => {
    expect(() => product(loss)).toThrow(`nn.gaussNewton: ${words}`);
  });
});
