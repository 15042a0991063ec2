// Tables in Markdown, and numbers in them.

export const table = (heads, rows) =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Three digits, or whole from 100 on. */
export function number(value) {
  if (!Number.isFinite(value)) return '';
  return value >= 100
    ? Math.round(value).toLocaleString('en')
    : value.toPrecision(value >= 10 ? 3 : 2).replace(/^(\d\d)\.0$/, '$1');
}
