// Devices: cpu, cuda
// A file of a convolutional network by PyTorch loads, and gives the logits that PyTorch has.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, loadTensors, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { devices } from '../support/devices.ts';

const golden = path.join(import.meta.dirname, '..', 'golden');
const { input, logits } = JSON.parse(readFileSync(path.join(golden, 'cnn.json'), 'utf8')) as {
  input: { shape: readonly number[]; data: readonly number[] };
  logits: readonly number[];
};

describe.each(devices)('a file with kernels [O, I, h, w] on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  function made() {
    const make = nn.init(device, { seed: 1 });
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const norm = (n: number) => ({ ...make.norm(n), mean: nn.buffer(zeros(n)), variance: nn.buffer(zeros(n)) });
    return {
      conv1: { weight: zeros(4, 3, 3, 2), bias: zeros(4) },
      norm1: norm(4),
      conv2: { weight: zeros(6, 3, 3, 2) },
      norm2: norm(6),
      head: make.linear(24, 3),
    };
  }
  type Cnn = ReturnType<typeof made>;
  const forward = (m: nn.Traced<Cnn>, x: Tensor): nn.Value => {
    const y = nn.relu(nn.batchNorm(m.norm1, nn.conv2d(m.conv1, x, { padding: 1 })));
    const half = nn.conv2d(m.conv2, nn.pool2d(y, { kind: 'max', size: 2 }), { stride: 2, padding: 1, groups: 2 });
    return nn.linear(m.head, nn.reshape(nn.relu(nn.batchNorm(m.norm2, half)), [x.shape[0]!, 24]));
  };

  /** The file, with the columns of the head in the order of pixels and then channels, unless these are left. */
  async function file(isFlatTurned = true): Promise<Record<string, Tensor>> {
    const names = ['norm1', 'norm2'].map((norm) => `${norm}.num_batches_tracked`);
    const tensors = await loadTensors(path.join(golden, 'cnn.safetensors'), device, {
      names: (name) => !names.includes(name),
    });
    const head = tensors['head.weight']!;
    if (isFlatTurned) {
      const x = head.copy();
      ops.rearrange(device, { x, out: head, shape: [3, 6, 2, 2], axes: [0, 2, 3, 1] });
    }
    return tensors;
  }
  const mapped =
    (left = ''): nn.AssignMap =>
    (name, { shape }) => {
      const own = name.replace('running_mean', 'mean').replace('running_var', 'variance');
      return shape.length === 4 && name !== left ? { name: own, permute: [0, 2, 3, 1] } : own;
    };

  async function error(model: Cnn): Promise<number> {
    using call = nn.forward(forward);
    const x = new Tensor(device, [3, 8, 8, 2]);
    ops.rearrange(device, {
      x: Tensor.from(device, Float32Array.from(input.data), input.shape),
      out: x,
      axes: [0, 2, 3, 1],
    });
    const got = await call(model, x).read();
    return Math.max(...logits.map((y, i) => Math.abs(y - got[i]!)));
  }

  it('gives the logits of PyTorch', async () => {
    const model = made();
    await nn.assign(model, await file(), { map: mapped() });
    expect(await error(model)).toBeLessThan(1e-5);
  });

  it('with the columns of the flat images left as they are, gives others', async () => {
    const model = made();
    await nn.assign(model, await file(false), { map: mapped() });
    expect(await error(model)).toBeGreaterThan(1e-2);
  });

  it('with kernels as they are, does not fit', async () => {
    await expect(nn.assign(made(), await file(), { map: mapped('conv1.weight') })).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('conv1.weight'),
    });
  });

  it('with kernels that are turned otherwise, gives others', async () => {
    const model = made();
    await nn.assign(model, await file(), {
      map: (name, tensor) => {
        const place = mapped()(name, tensor);
        return typeof place === 'object' && place !== null ? { ...place, permute: [0, 3, 2, 1] } : place;
      },
    });
    expect(await error(model)).toBeGreaterThan(1e-2);
  });
});
