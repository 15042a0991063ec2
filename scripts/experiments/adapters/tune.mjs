// One fine-tuning: all numbers, LoRA or LoLDU, for equally many steps.
import { AdamW } from 'orthokit';
import { LoLDULinear, LoraLinear } from 'orthokit/adapters';
import * as nn from 'orthokit/nn';
import { batchesOf, batchOf, digits, loss, sizes, tested, trained, trainedNumbers } from './digits.mjs';

/** Ways by name: how a layer is made trainable; `rank` 0 is all that there are. */
export const ways = {
  full: undefined,
  'LoRA, rank 1': { kind: 'lora', rank: 1 },
  'LoRA, rank 8': { kind: 'lora', rank: 8 },
  LoLDU: { kind: 'loldu', rank: 0 },
};
/** Rates of AdamW that each way tries. */
export const rates = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1];

/** @param {{ size: 'full' | 'quick', way: keyof typeof ways, rate: number, seed: number }} settings */
export async function tune({ size: name, way, rate, seed }) {
  const size = sizes[name];
  const model = trained(size, seed);
  const before = await tested(model, size);
  const form = ways[way];
  if (form)
    for (const [i, { weight, bias }] of model.layers.entries()) {
      const most = Math.min(...weight.shape);
      const rank = form.rank === 0 ? most : Math.min(form.rank, most);
      model.layers[i] = /** @type {any} */ (
        form.kind === 'lora'
          ? LoraLinear.fromWeight(weight, { rank, bias, seed: 10 * seed + i })
          : await LoLDULinear.fromWeight(weight, { rank, alpha: rank, bias })
      );
    }
  const { train } = digits(size.every);
  const optimizer = new AdamW(nn.select(model, '**'), { lr: rate, weightDecay: 0 });
  const step = nn.valueAndGrad(loss);
  for (const index of batchesOf(train, { ...size, seed: 100 + seed })) {
    const [x, labels] = batchOf(train, index);
    optimizer.step(step(model, x, labels).grads);
    for (const tensor of [x, labels]) tensor.dispose();
  }
  step.dispose();
  const after = await tested(model, size);
  return { before, after, numbers: trainedNumbers(model) };
}
