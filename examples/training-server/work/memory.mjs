// An upper bound for the memory of a training job: a job that takes more than the server gives is refused.

/** Numbers of 4 bytes that a weight takes: itself, its gradient, and what optimizers keep of it. */
const perWeight = 6;
/** Values of a layer that are alive between its forward and its backward pass: itself, its gradient and steps between. */
const perValue = 4;
/** Samples of a batch when a model is judged. */
const judged = 256;

/**
 * @typedef {object} Data what is known of the data
 * @property {number} [size] numbers of an image
 * @property {number} [classes]
 * @property {number} [letters]
 */

/** @type {Record<string, (params: Record<string, any>, data: Data) => { weights: number, values: number }>} */
const sizes = {
  mlp({ hidden, batch }, { size = 784, classes = 10 }) {
    /** @type {number[]} */
    const widths = [size, ...hidden, classes];
    const weights = widths.slice(1).reduce((sum, width, i) => sum + (widths[i] + 1) * width, 0);
    return { weights, values: Math.max(batch, judged) * widths.reduce((sum, width) => sum + width, 0) };
  },
  cnn({ channels: given, batch }, { classes = 10 }) {
    /** @type {number[]} */
    const channels = given;
    const inputs = [1, ...channels];
    const pixels = [784, 196, 49];
    const weights = channels.reduce(
      (sum, width, i) => sum + (9 * inputs[i] + 2) * width,
      (49 * inputs[3] + 1) * classes,
    );
    // Of a layer: its input, pooled, and what the convolution, the norm and ReLU give. Nothing is unfolded beyond a panel.
    const values = channels.reduce((sum, width, i) => sum + pixels[i] * (inputs[i] + 3 * width), classes);
    return { weights, values: Math.max(batch, judged) * values };
  },
  gpt({ width, blocks, context, batch }, { letters = 256 }) {
    const weights = blocks * (12 * width + 13) * width + (letters + context + 2) * width;
    // Of a block: two norms, queries, keys and values, attention, sums and the wide layer; and four heads of scores.
    const perToken = blocks * (16 * width + 4 * context) + 2 * width + letters;
    return { weights, values: Math.max(batch, 32) * context * perToken };
  },
};

/**
 * Bytes of memory, those of the data left out.
 *
 * @param {string} kind
 * @param {Record<string, any>} params
 * @param {Data} [data] what it is assumed to be until it is read
 */
export function memoryOf(kind, params, data = {}) {
  if (!Object.hasOwn(sizes, kind)) return 0;
  const { weights, values } = sizes[kind](params, data);
  return 4 * (perWeight * weights + perValue * values);
}

/**
 * Why a job is refused that takes too much, if it does.
 *
 * @param {string} kind
 * @param {Record<string, any>} params
 * @param {number} most bytes
 * @param {Data} [data]
 */
export function tooLarge(kind, params, most, data) {
  const bytes = memoryOf(kind, params, data);
  const mb = (/** @type {number} */ number) => Math.ceil(number / 2 ** 20);
  return bytes > most
    ? `the sizes of the job must need at most ${mb(most)} MB, got about ${mb(bytes)}: a smaller batch or model does`
    : undefined;
}
