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
  const draw = nn.forward(
    (/** @type {Gpt} */ gpt, /** @type {Tensor} */ ids, /** @type {nn.SampleOptions} */ options) => {
      const logits = nn.reshape(gpt.forward(ids), [ids.size, letters.length]);
      return nn.sample(nn.slice(logits, 0, ids.size - 1, ids.size), options);
    },
  );
  /** @param {{ start: string, length: number, temperature?: number, seed?: number }} options */
  return async ({ start, length, temperature = 0.8, seed = 1 }) => {
    const text = [...start].map((letter) => letters.indexOf(letter));
    for (let position = 0; position < length; position += 1) {
      const seen = Int32Array.from(text.slice(-context));
      const ids = Tensor.from(device, seen, [1, seen.length]);
      const [letter] = await draw(model, ids, { temperature, seed, position }).read();
      text.push(letter);
    }
    return text.map((letter) => letters[letter]).join('');
  };
}
