// Weights that change their sign, which Dale's law forbids.

/** @param {readonly import('orthokit').Tensor[]} tensors @returns {Promise<number[]>} −1, 0 or 1 for each weight */
export async function signsOf(tensors) {
  const all = await Promise.all(tensors.map((tensor) => tensor.read()));
  return all.flatMap((numbers) => Array.from(/** @type {Float32Array} */ (numbers), Math.sign));
}

/** @param {readonly number[]} before @param {readonly number[]} after the share that went from one side of 0 to the other */
export const signShare = (before, after) =>
  before.filter((sign, i) => sign * after[i] < 0).length / Math.max(1, before.length);
