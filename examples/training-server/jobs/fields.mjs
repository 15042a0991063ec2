import { Problem } from '../problem.mjs';

/**
 * @typedef {object} Field one value of a request
 * @property {unknown} [default] without one it must be given
 * @property {boolean} [optional] it may be left out, and is then absent
 * @property {(value: unknown) => boolean} fits
 * @property {string} must what it must be, in words
 * @property {Record<string, unknown>} schema the same as a JSON schema
 *
 * @typedef {Record<string, Field>} Fields
 */

/** @param {number} min @param {number} max @param {number} [standard] @returns {Field} */
export const whole = (min, max, standard) => ({
  ...(standard === undefined ? {} : { default: standard }),
  fits: (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max,
  must: `be a whole number from ${min} to ${max}`,
  schema: { type: 'integer', minimum: min, maximum: max },
});

/** @param {number} min @param {number} max @param {number} [standard] @returns {Field} */
export const number = (min, max, standard) => ({
  ...(standard === undefined ? {} : { default: standard }),
  fits: (value) => typeof value === 'number' && value >= min && value <= max,
  must: `be a number from ${min} to ${max}`,
  schema: { type: 'number', minimum: min, maximum: max },
});

/** @param {readonly string[]} words @param {string} [standard] @returns {Field} */
export const word = (words, standard) => ({
  ...(standard === undefined ? {} : { default: standard }),
  fits: (value) => typeof value === 'string' && words.includes(value),
  must: `be one of ${words.join(', ')}`,
  schema: { type: 'string', enum: words },
});

/** @param {RegExp} pattern @param {string} must @param {string} [standard] @returns {Field} */
export const text = (pattern, must, standard) => ({
  ...(standard === undefined ? {} : { default: standard }),
  fits: (value) => typeof value === 'string' && value.length <= 200 && pattern.test(value),
  must,
  schema: { type: 'string', pattern: pattern.source },
});

/** @param {Field} item @param {number} min @param {number} max @param {unknown[]} [standard] @returns {Field} */
export const list = (item, min, max, standard) => ({
  ...(standard === undefined ? {} : { default: standard }),
  fits: (value) => Array.isArray(value) && value.length >= min && value.length <= max && value.every(item.fits),
  must: `be a list of ${min} to ${max}, each of which must ${item.must}`,
  schema: { type: 'array', items: item.schema, minItems: min, maxItems: max },
});

/** @param {Field} field @returns {Field} */
export const optional = (field) => ({ ...field, optional: true });

/** @param {unknown} value @returns {value is Record<string, unknown>} */
export const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The values of a request with their defaults, of a known kind and in range each.
 *
 * @param {unknown} given
 * @param {Fields} fields
 * @param {string} where the name that messages begin with
 * @returns {Record<string, any>}
 */
export function readFields(given, fields, where) {
  const refuse = (/** @type {string} */ what) => new Problem('ERR_ARGUMENT', `${where}: ${what}`);
  if (!isRecord(given)) throw refuse('the value must be an object');
  for (const name of Object.keys(given))
    if (!Object.hasOwn(fields, name)) throw refuse(`${JSON.stringify(name.slice(0, 50))} is unknown`);
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = Object.hasOwn(given, name) ? given[name] : field.default;
    if (value === undefined && field.optional) continue;
    if (value === undefined) throw refuse(`${name} must be given`);
    if (!field.fits(value)) throw refuse(`${name} must ${field.must}, got ${shown(value)}`);
    values[name] = value;
  }
  return values;
}

/** @param {unknown} value */
function shown(value) {
  const words = JSON.stringify(value) ?? 'nothing';
  return words.length > 80 ? `${words.slice(0, 80)}…` : words;
}

/** The JSON schema of an object with these fields. @param {Fields} fields */
export const objectSchema = (fields) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(fields).filter((name) => fields[name].default === undefined && !fields[name].optional),
  properties: Object.fromEntries(
    Object.entries(fields).map(([name, { schema, default: standard }]) => [
      name,
      standard === undefined ? schema : { ...schema, default: standard },
    ]),
  ),
});
