/** The bits of each tensor. */
export const bitsOf = async (tensors) =>
  Promise.all(tensors.map(async (t) => Buffer.from((await t.read()).buffer).toString('latin1')));

/** Numbers that differ, the same each time. */
export const data = ([rows, columns], seed) =>
  Array.from({ length: rows * columns }, (_, i) => Math.sin(9.7 * (i + 1) + seed));
