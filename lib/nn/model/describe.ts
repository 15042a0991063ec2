import { isBuffer } from './parameters.ts';
import { places } from './tree.ts';

const number = (x: number): string => x.toLocaleString('en-US');

/**
 * A table of a model to print: of each tensor its path, shape, dtype, elements and bytes, and whether it is a
 * {@link buffer} or stands in other places too; then the sums, of tensors that are trained as well.
 *
 * @example
 * console.log(nn.describe(model));
 *
 * @throws ERR_ARGUMENT for what is no object, and for tensors in a `Map` or a `Set`
 */
export function describe(model: object): string {
  const all = [...places('nn.describe', model)];
  const trained = all.filter(([tensor]) => !isBuffer(tensor));
  const sums = (name: string, tensors: typeof all) => [
    `${name}: ${number(tensors.length)}`,
    '',
    '',
    number(tensors.reduce((sum, [{ size }]) => sum + size, 0)),
    number(tensors.reduce((sum, [{ byteLength }]) => sum + byteLength, 0)),
    '',
  ];
  const rows = [
    ['path', 'shape', 'dtype', 'elements', 'bytes', ''],
    ...all.map(([tensor, [path, ...others]]) => [
      path!,
      `[${tensor.shape.join(', ')}]`,
      tensor.dtype,
      number(tensor.size),
      number(tensor.byteLength),
      [...(isBuffer(tensor) ? ['buffer'] : []), ...others.map((other) => `also ${other}`)].join(', '),
    ]),
    sums('tensors', all),
    sums('trained', trained),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 3 || i === 4 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
