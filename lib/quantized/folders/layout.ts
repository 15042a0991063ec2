// The layout of a compressed matrix in a safetensors file: parts in place of the tensor, and texts of the metadata that
// say what they are.
import { OrthokitError } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import { quote } from '../../files/quote.ts';
import type { FileDtype } from '../../files/safetensors/dtypes.ts';
import { packedBytes } from '../layers/packed-codes.ts';

/** The key of the metadata of a file that has compressed matrices. */
export const layoutKey = 'orthokit.compressed';
/** The version of the layout; another one is refused. */
export const layoutVersion = 1;

/** A compressed matrix, as metadata and reports tell it. */
export type Form = {
  readonly shape: readonly [rows: number, columns: number];
  readonly bits: number;
} & ({ readonly method: 'group'; readonly group: number } | { readonly method: 'codebook'; readonly groups: number });

/** A part of a compressed matrix in its file. */
export interface Part {
  /** Behind the name of the matrix. */
  readonly suffix: '.codes' | '.scales' | '.codebooks' | '.row_books';
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

const part = (suffix: Part['suffix'], dtype: 'U8' | 'F32', shape: readonly number[]): Part => {
  const elements = shape.reduce((a, b) => a * b, 1);
  return { suffix, dtype, shape, byteLength: dtype === 'U8' ? elements : 4 * elements };
};

/** The parts of a matrix, in the order in which they are computed. */
export function partsOf(form: Form): readonly Part[] {
  const [rows, columns] = form.shape;
  const codes = part('.codes', 'U8', [rows, packedBytes(columns, form.bits)]);
  if (form.method === 'group') return [codes, part('.scales', 'F32', [rows, columns / form.group])];
  return [codes, part('.codebooks', 'F32', [form.groups, 2 ** form.bits]), part('.row_books', 'U8', [rows, 2])];
}

export const bytesOf = (form: Form): number => partsOf(form).reduce((sum, { byteLength }) => sum + byteLength, 0);

const formulas = {
  group: "w[i, k] = code[i, k] * scales[i, k / group]; code: two's complement, no zero point",
  codebook: 'w[i, k] = codebooks[b, code[i, k]], b = row_books[i, 0] + 256 * row_books[i, 1]; code: unsigned',
};
const bitOrder =
  'blocks of 128 elements, 16 lanes; element k: code k / 16 % 8 of lane k % 16, lowest bits first; lanes in parts of 4, 2, 1 bytes, little-endian';

/** The metadata of a file with such matrices; none for a file without. */
export function metadataOf(forms: ReadonlyMap<string, Form>): Record<string, string> {
  if (forms.size === 0) return {};
  const methods = new Set([...forms.values()].map(({ method }) => method));
  const formula = Object.fromEntries([...methods].map((method) => [method, formulas[method]]));
  const layout = { version: layoutVersion, bitOrder, formula, tensors: Object.fromEntries(forms) };
  return { [layoutKey]: JSON.stringify(layout) };
}

/** The matrices of a file, by its metadata. @throws ERR_FORMAT for another version, and what is no layout */
export function formsOf(where: string, metadata: ReadonlyMap<string, string>): Map<string, Form> {
  const text = metadata.get(layoutKey);
  if (text === undefined) return new Map();
  const fail = (problem: string): never => {
    throw new OrthokitError('ERR_FORMAT', `${where}: ${layoutKey} ${problem}`);
  };
  let layout: unknown;
  try {
    layout = JSON.parse(text);
  } catch {
    return fail('must be JSON, got another text');
  }
  if (!isRecord(layout)) return fail('must be an object, got another value');
  const { version, tensors } = layout;
  if (version !== layoutVersion) fail(`must have the version ${layoutVersion}, got ${quote(String(version))}`);
  if (!isRecord(tensors)) return fail('must have tensors, got none');
  const forms = new Map<string, Form>();
  for (const [name, form] of Object.entries(tensors))
    forms.set(name, isForm(form) ? form : fail(`must describe each matrix whole, got less of ${quote(name)}`));
  return forms;
}

const isWhole = (x: unknown, least: number, most: number): x is number =>
  Number.isInteger(x) && (x as number) >= least && (x as number) <= most;

function isForm(form: unknown): form is Form {
  if (!isRecord(form)) return false;
  const { shape, bits, method, group, groups } = form;
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((n) => isWhole(n, 1, 2 ** 40))) return false;
  if (method === 'codebook') return isWhole(bits, 1, 8) && isWhole(groups, 1, Math.min(65_536, shape[0] as number));
  const columns = shape[1] as number;
  return (
    method === 'group' && [2, 3, 4, 8].includes(bits as number) && isWhole(group, 1, columns) && columns % group === 0
  );
}
