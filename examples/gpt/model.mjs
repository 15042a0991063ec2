// A GPT of letters: any object is a model, and its methods are called with values in place of its tensors.
import * as nn from 'orthokit/nn';

/** @import { Tensor } from 'orthokit' */

class Block {
  /**
   * @param {nn.Init} make
   * @param {{ width: number, heads: number, blocks: number }} options
   */
  constructor(make, { width, heads, blocks }) {
    this.heads = heads;
    // Each block adds twice to what runs through: the sum keeps its size.
    const deviation = 0.02 / Math.sqrt(2 * blocks);
    this.norm1 = make.norm(width);
    this.attention = { qkv: make.linear(width, 3 * width), out: make.linear(width, width, { deviation }) };
    this.norm2 = make.norm(width);
    this.up = make.linear(width, 4 * width);
    this.down = make.linear(4 * width, width, { deviation });
  }

  /** @param {nn.Arg} x `[B, T, width]` @param {nn.Ring} [ring] @returns {nn.Value} */
  forward(x, ring) {
    const { heads } = this;
    const y = nn.attention(this.attention, nn.layerNorm(this.norm1, x), { heads, ring, addend: x });
    return nn.linear(this.down, nn.gelu(nn.linear(this.up, nn.layerNorm(this.norm2, y))), { addend: y });
  }
}

/** Without gradients, what is inside of a block takes memory only while it runs. */
const through = nn.scope(
  (/** @type {Block} */ block, /** @type {nn.Arg} */ x, /** @type {nn.Ring | undefined} */ ring) =>
    block.forward(x, ring),
);

export class Gpt {
  /**
   * @param {nn.Init} make
   * @param {{ letters: number, width: number, heads: number, blocks: number, context: number }} options
   */
  constructor(make, { letters, context, ...options }) {
    this.tokens = make.table(letters, options.width);
    this.positions = make.table(context, options.width);
    this.blocks = Array.from({ length: options.blocks }, () => new Block(make, options));
    this.norm = make.norm(options.width);
  }

  /**
   * @param {Tensor} ids `[B, T]`
   * @param {nn.Ring} [ring] what came before; without it the letters are the first
   * @returns {nn.Value} logits `[B, T, letters]` of the letter after each
   */
  forward(ids, ring) {
    const letters = nn.embedding(this.tokens, ids);
    /** @type {nn.Value} */
    let x = ring
      ? nn.add(letters, nn.embedding(this.positions, ring.places(ids.shape[1])))
      : nn.addRows(letters, nn.slice(this.positions.weight, 0, 0, ids.shape[1]));
    for (const block of this.blocks) x = through(block, x, ring);
    // The table of letters is the head, too.
    return nn.linear(this.tokens, nn.layerNorm(this.norm, x));
  }
}
