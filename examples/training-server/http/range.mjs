import { Problem } from '../problem.mjs';

/**
 * One range of bytes, ends included (RFC 9110, section 14.1.2); nothing where the whole is meant.
 *
 * @param {string | undefined} header
 * @param {number} size
 * @returns {{ start: number, end: number } | undefined}
 */
export function rangeOf(header, size) {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last));
  if (start > end) throw new Problem('ERR_RANGE', `the file has ${size} bytes`, { 'Content-Range': `bytes */${size}` });
  return { start, end };
}
