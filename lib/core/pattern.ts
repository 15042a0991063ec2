const signs = /\{([^{}]*)\}|[\\^$.*+?()[\]{}|]/g;

/** Within a step of a path, or in braces: `*` and lists are signs, all else stands for itself. */
const expressionOf = (text: string): string =>
  text.replaceAll(signs, (sign, list: string | undefined) => {
    if (list !== undefined) return `(?:${list.split(',').map(expressionOf).join('|')})`;
    return sign === '*' ? '[^.]*' : `\\${sign}`;
  });

/**
 * A test of paths of steps, such as `blocks.0.qkv`, by a pattern: `*` is any text within a step, `**` any number of
 * steps, and `{a,b}` either of several texts, which may have steps of their own; lists do not nest.
 */
export function fitting(pattern: string): (path: string) => boolean {
  // At dots that are in no list.
  const steps = pattern.split(/\.(?![^{}]*\})/).map((step) => {
    if (step === '**') return '(?:\\.[^.]+)*';
    return `\\.${expressionOf(step)}`;
  });
  const expression = new RegExp(`^${steps.join('')}$`);
  return (path) => expression.test(`.${path}`);
}
