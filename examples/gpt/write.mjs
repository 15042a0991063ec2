import { ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from './model.mjs';

/**
 * A writer: letters after a beginning, each drawn from the model's probabilities. Keys and values of what is written stay
 * in a ring, and letters on the device, until the table of positions ends; then the last half of the context is read again.
 *
 * @param {Gpt} model
 * @param {readonly string[]} letters
 */
export function writer(model, letters) {
  const { device, shape } = /** @type {Tensor} */ (model.tokens.weight);
  const context = model.positions.weight.shape[0];
  const draw = nn.forward(
    (
      /** @type {Gpt} */ gpt,
      /** @type {Tensor} */ ids,
      /** @type {nn.Ring} */ ring,
      /** @type {nn.SampleOptions} */ o,
    ) => {
      const [texts, places] = ids.shape;
      const logits = gpt.forward(ids, ring);
      return nn.reshape(nn.sample(places > 1 ? nn.slice(logits, 1, places - 1, places) : logits, o), [1, texts]);
    },
  );

  /**
   * Texts that begin alike, side by side.
   *
   * @param {{ start: string, length: number, texts?: number, temperature?: number, topK?: number, seed?: number, signal?: AbortSignal }} options
   */
  return async ({ start, length, texts = 1, temperature = 0.8, topK = 0, seed = 1, signal }) => {
    const first = [...start].map((letter) => letters.indexOf(letter));
    if (first.length === 0 || first.includes(-1))
      throw new Error(`write.mjs: start must be of letters that the model knows, got ${JSON.stringify(start)}`);
    const written = Array.from({ length: texts }, () => [...first]);
    const ring = new nn.Ring(device, { streams: texts, width: shape[1], length: context, layers: model.blocks.length });
    const drawn = new Tensor(device, [context, texts], 'i32');
    const rows = Array.from({ length: context }, (_, i) => drawn.rows(i, i + 1));
    const columns = rows.map((row) => row.reshape([texts, 1]));
    try {
      for (let position = 0; position < length; ) {
        signal?.throwIfAborted();
        const seen = written.map((text) => text.slice(position === 0 ? -context : -Math.ceil(context / 2)));
        const count = Math.min(length - position, context - seen[0].length + 1);
        let ids = Tensor.from(device, Int32Array.from(seen.flat()), [texts, seen[0].length]);
        ring.reset();
        for (let i = 0; i < count; i += 1) {
          const options = { temperature, topK, seed, position: position + i };
          ops.copy(device, { x: [draw(model, ids, ring, options)], out: [rows[i]] });
          if (i === 0) ids.dispose();
          ids = columns[i];
        }
        const numbers = (await drawn.read()).subarray(0, count * texts);
        for (const [i, number] of numbers.entries()) written[i % texts].push(number);
        position += count;
      }
    } finally {
      for (const tensor of [...columns, ...rows, drawn]) tensor.dispose();
      ring.dispose();
      draw.dispose();
    }
    return written.map((text) => text.map((letter) => letters[letter]).join(''));
  };
}
