// Devices: cpu, cuda
// Memory and work of training a GPT by forwards alone, against forwards and a gradient.
import { describe, expect, it } from 'vitest';
import { Gpt } from '../../examples/gpt/model.mjs';
import { AdamW, Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { QuantLinear, QZO, ZoodipOptimizer } from '../../lib/quantized/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { type Work, workOf } from '../support/work.ts';

const [letters, width, heads, context, batch] = [11, 32, 2, 16, 16];
const lossOf = (gpt: Gpt, ids: Tensor, next: Tensor) => nn.crossEntropy(gpt.forward(ids), next);

/** A GPT whose blocks have matrices of 4 bits, on a device of its own. */
function gptOn(kind: 'cpu' | 'cuda', blocks: number) {
  const device = Device.open(kind);
  const model = new Gpt(nn.init(device, { seed: 1 }), { letters, width, heads, context, blocks });
  const scales: Tensor[] = [];
  for (const pattern of ['**.qkv', '**.out', '**.up', '**.down'])
    nn.replaceLayers(model, pattern, ({ weight, bias }: { weight: Tensor; bias: Tensor }) => {
      const layer = QuantLinear.quantize(weight, { group: 16, bias });
      weight.dispose();
      scales.push(layer.scales);
      return layer;
    });
  for (const tensor of nn.parameters(model)) if (!scales.includes(tensor)) nn.buffer(tensor);
  const numbers = (factor: number) => Int32Array.from({ length: batch * context }, (_, i) => (i * factor) % letters);
  const [ids, next] = [7, 3].map((factor) => Tensor.from(device, numbers(factor), [batch, context])) as [
    Tensor,
    Tensor,
  ];
  return { device, model, scales, ids, next };
}
type Made = ReturnType<typeof gptOn>;

/** The most bytes of steps beyond those of the model, of a device that holds nothing else. */
async function peakOf(kind: 'cpu' | 'cuda', blocks: number, steps: (made: Made) => Promise<unknown>): Promise<number> {
  const made = gptOn(kind, blocks);
  try {
    const { bytes, peak } = await settledMemory(made.device);
    await steps(made);
    // The matrices before they were rounded took less, so that the peak is that of the steps.
    expect(made.device.info.memory.peak).toBeGreaterThan(peak);
    return made.device.info.memory.peak - bytes;
  } finally {
    await made.device.close();
  }
}

/** A loss at given scales. */
function losses({ model, scales, ids, next }: Made) {
  const forward = nn.forward(lossOf);
  let probe: Gpt | undefined;
  const at = (perturbed: readonly Tensor[]) => {
    probe ??= nn.mapTensors(model, (tensor) => perturbed[scales.indexOf(tensor)] ?? tensor);
    return forward(probe, ids, next);
  };
  return { forward, at };
}

const forwards = async ({ model, ids, next }: Made) => {
  using forward = nn.forward(lossOf);
  for (let i = 0; i < 2; ++i) await forward(model, ids, next).read();
};
const qzo = (directions: number) => async (made: Made) => {
  const { forward, at } = losses(made);
  using trainer = new QZO(made.scales, { lr: 1e-6, directions });
  for (let i = 0; i < 2; ++i) await trainer.step(at);
  forward.dispose();
};
const gradients = async ({ model, scales, ids, next }: Made) => {
  using gradient = nn.valueAndGrad(lossOf as unknown as (gpt: nn.Traced<Gpt>, ids: Tensor, next: Tensor) => nn.Value);
  using optimizer = new AdamW(scales);
  for (let i = 0; i < 2; ++i) {
    const { value, grads } = gradient(model, ids, next);
    optimizer.step(grads);
    await value.read();
  }
};

describe.each(devices)('training by forwards alone on %s', (kind) => {
  it('takes the memory of a forward and of its perturbed copy, whatever the number of directions', async () => {
    const blocks = 6;
    const [forward, one] = [await peakOf(kind, blocks, forwards), await peakOf(kind, blocks, qzo(1))];
    expect(await peakOf(kind, blocks, qzo(5))).toBe(one);
    const { device, scales } = gptOn(kind, blocks);
    const copy = scales.reduce((sum, { byteLength }) => sum + byteLength, 0);
    await device.close();
    expect(one).toBeGreaterThanOrEqual(forward + copy);
    // Sums of a few bytes besides.
    expect(one).toBeLessThan(forward + copy + 4096);
    expect(one).toBeLessThan((await peakOf(kind, blocks, gradients)) / 4);
  });

  it('grows with the number of blocks by their results and scales alone', async () => {
    const [two, eight] = [await peakOf(kind, 2, qzo(1)), await peakOf(kind, 8, qzo(1))];
    const result = batch * context * width * 4;
    const scales = (12 * width * width * 4) / 16;
    expect(eight - two).toBe(6 * (result + scales));
  });

  it('is two forwards a step, and less than 0.15 of one besides', async () => {
    const made = gptOn(kind, 2);
    const { device, model, ids, next } = made;
    const { forward, at } = losses(made);
    using trainer = new QZO(made.scales, { lr: 1e-6 });
    const step = () => trainer.step(at);
    // Buffers are there from the second time on.
    await step();
    const [one, whole] = [await workOf(() => forward(model, ids, next)), await workOf(step)];
    const share = (of: keyof Work) => whole[of] / one[of];
    expect(share('productFlops')).toBe(2);
    expect(share('bytes')).toBeGreaterThan(2);
    expect(share('bytes')).toBeLessThanOrEqual(2.15);
    // Two perturbed copies, the move, and a count that begins at 0.
    expect(whole.operations - 2 * one.operations).toBe(4);
    forward.dispose();
    await device.close();
  });

  it('is directions + 1 forwards a step of ZOODiP', async () => {
    const made = gptOn(kind, 1);
    const { device, model, ids, next } = made;
    const letter = Tensor.from(device, new Float32Array(width).fill(0.01), [width]);
    using forward = nn.forward(lossOf);
    using zoodip = new ZoodipOptimizer(letter, { directions: 3 });
    const row = model.tokens.weight.rows(4, 5);
    const at = (x: Tensor) => {
      using flat = x.reshape([1, width]);
      ops.copy(device, { x: [flat], out: [row] });
      return forward(model, ids, next);
    };
    await zoodip.step(at, 0);
    const [one, whole] = [await workOf(() => forward(model, ids, next)), await workOf(() => zoodip.step(at, 1))];
    expect(whole.productFlops / one.productFlops).toBe(4);
    await device.close();
  });
});
