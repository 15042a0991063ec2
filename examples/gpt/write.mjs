import { Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from './model.mjs';

/**
 * A writer: letters after a beginning, each drawn from the model's probabilities.
 *
 * @param {Gpt} model
 * @param {readonly string[]} letters
 */
export function writer(model, letters) {
  const { device } = /** @type {Tensor} */ (model.tokens.weight);
  const context = model.positions.weight.shape[0];
  const last = nn.forward((/** @type {Gpt} */ gpt, /** @type {Tensor} */ ids) =>
    nn.slice(nn.reshape(gpt.forward(ids), [ids.size, letters.length]), 0, ids.size - 1, ids.size),
  );
  /** @param {{ start: string, length: number, temperature?: number, seed?: number }} options */
  return async ({ start, length, temperature = 0.8, seed = 1 }) => {
    const text = [...start].map((letter) => letters.indexOf(letter));
    const draws = await Tensor.rand(device, [length], { seed }).read();
    for (const draw of draws) {
      const seen = Int32Array.from(text.slice(-context));
      const ids = Tensor.from(device, seen, [1, seen.length]);
      const logits = await last(model, ids).read();
      const largest = Math.max(...logits);
      const shares = Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
      let left = draw * shares.reduce((sum, share) => sum + share, 0);
      const letter = shares.findIndex((share) => {
        left -= share;
        return left < 0;
      });
      text.push(Math.max(letter, 0));
    }
    return text.map((letter) => letters[letter]).join('');
  };
}
