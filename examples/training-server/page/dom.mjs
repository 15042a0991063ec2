/**
 * An element with attributes and children. Texts become text and nothing else.
 *
 * @param {string} name
 * @param {Record<string, unknown>} [attributes] those that begin with `on` are listeners
 * @param {(Node | string)[]} children
 * @returns {any}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) made.setAttribute(key, '');
    else if (value !== undefined && value !== false) made.setAttribute(key, String(value));
  }
  made.append(...children);
  return made;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** A color of the page, as its style has it now. @param {string} name of a property of CSS */
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {number | string | null | undefined} value NaN and infinities come as text */
export function short(value) {
  if (value === undefined || value === null) return '–';
  if (typeof value === 'string') return value;
  const size = Math.abs(value);
  return size >= 1e6 || (size > 0 && size < 1e-3) ? value.toExponential(2) : `${Number(value.toPrecision(4))}`;
}
