/** A number of a step as JSON carries it, which has no NaN and no infinities and makes null of them. */
/** @typedef {number | 'NaN' | 'Infinity' | '-Infinity'} Told */

/** @param {number} value @returns {Told} */
export const told = (value) => (Number.isFinite(value) ? value : /** @type {Told} */ (String(value)));

/** @param {unknown} value */
export const isNonFinite = (value) => value === 'NaN' || value === 'Infinity' || value === '-Infinity';
