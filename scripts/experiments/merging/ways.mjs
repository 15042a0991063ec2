// The ways to merge specialists: methods as their defaults are, and with other options beside these.

/** @typedef {import('orthokit/merging').MergeMethod} Method */

export const average = 'average';
export const opcm = 'opcm, alpha 0.5';

/**
 * @param {number} orders of models, for the method that depends on them
 * @returns {{ way: string, options: { method: Method, scale?: number, alpha?: number, shuffle?: number } }[]}
 */
export const waysOf = (orders) => [
  { way: average, options: { method: 'average' } },
  ...[0.3, 0.5, 1].map((scale) => ({
    way: `arithmetic, scale ${scale}`,
    options: { method: /** @type {Method} */ ('arithmetic'), scale },
  })),
  ...[1, 2].map((scale) => ({
    way: `ties, density 0.2, scale ${scale}`,
    options: { method: /** @type {Method} */ ('ties'), scale },
  })),
  ...[0, 0.5, 0.9].flatMap((alpha) =>
    Array.from({ length: orders }, (_, shuffle) => ({
      way: `opcm, alpha ${alpha}`,
      options: { method: /** @type {Method} */ ('opcm'), alpha, shuffle },
    })),
  ),
];
