// The examples of the operations' headers as fields of a call: every operation is tested without naming it.

/** @type {(text: string) => { number?: string, dtype?: string, shape?: number[] }} */
function itemOf(text) {
  const match = /^(?:(.*)\*)?(\w+)\[(.*)\]$/.exec(text);
  if (!match) return { number: text };
  const [, number, dtype, sizes] = match;
  return { ...(number ? { number } : {}), dtype, shape: sizes ? sizes.split('x').map(Number) : [] };
}

/**
 * An example's words: `[field, items]` each.
 * @param {string} text
 */
export const parseExample = (text) =>
  text
    .split(' ')
    .filter(Boolean)
    .map((word) => {
      const at = word.indexOf('=');
      return /** @type {const} */ ([
        word.slice(0, at),
        word
          .slice(at + 1)
          .split(',')
          .map(itemOf),
      ]);
    });

/**
 * The fields of a call, and its tensors, each with the data that it starts with. The same values each time: around 1,
 * counters 0, indices below 10, guards 0.
 * @param {any} device
 * @param {any} Tensor
 * @param {{ fields: { name: string, kind: string, role: string }[] }} op
 * @param {string} example
 * @param {(size: number) => number} [smaller] replaces sizes
 */
export function fieldsOf(device, Tensor, op, example, smaller = (size) => size) {
  /** @type {{ tensor: any, role: string, data: any }[]} */
  const operands = [];
  /** @type {Record<string, unknown>} */
  const fields = {};
  for (const [name, items] of parseExample(example)) {
    const field = op.fields.find((one) => one.name === name);
    if (!field) throw new Error(`${name} is no field`);
    const values = items.map((item, index) => {
      if (!item.dtype) return field.kind === 'choice' ? item.number : Number(item.number);
      const shape = item.shape.map(smaller);
      const size = shape.reduce((a, b) => a * b, 1);
      const whole = item.dtype === 'i32' || item.dtype === 'u8';
      const data = Array.from({ length: size }, (_, i) => {
        if (name === 'guard' || name === 'steps') return 0;
        if (whole) return (i * 7 + index) % 10;
        const x = Math.sin(12.9898 * (i + 1) + 78.233 * (index + name.length));
        return name === 'roots' || name === 'squares' ? Math.abs(x) : x;
      });
      const tensor = Tensor.from(device, data, shape, { dtype: item.dtype });
      operands.push({ tensor, role: field.role, data });
      return item.number ? [Number(item.number), tensor] : tensor;
    });
    fields[name] = /s$/.test(field.kind) ? values : values[0];
  }
  return { fields, operands };
}

/** @param {string} name */
export const camelCase = (name) => name.replace(/_[a-z]/g, (c) => c[1].toUpperCase());
