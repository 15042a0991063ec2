import { abortable } from '../../core/abortable.ts';
import { OrthokitError } from '../../core/errors.ts';
import { quote } from '../../files/quote.ts';
import { fileDtypes } from '../../files/safetensors/dtypes.ts';
import { type OpenTensorFile, openTensorFile } from '../../files/safetensors/file.ts';
import { type TensorSource, writeTensorFile } from '../../files/safetensors/write.ts';
import type { Progress } from '../../files/transfer.ts';
import { columnsOf, type RowDtype } from './form.ts';
import { isAscending } from './ids.ts';

/** A measure of how near rows are to queries. */
export type Metric = 'cosine' | 'dot' | 'l2';
export const metrics: readonly Metric[] = ['cosine', 'dot', 'l2'];
export const rowDtypes: readonly RowDtype[] = ['f32', 'f16', 'i8'];

/** The settings of a database, which its file says. */
export interface RowFileHead {
  readonly dim: number;
  readonly metric: Metric;
  readonly dtype: RowDtype;
  /** The id that a row gets which is given none. */
  readonly next: number;
}

const format = 'orthokit-database';
const version = '1';
export const mostColumns: number = 2 ** 24;

/** An open file of rows. It closes with the last one who holds it. */
export class RowFile {
  readonly path: string;
  /** True: rows stay on the device once they have been read. */
  readonly keeps: boolean;
  readonly #file: OpenTensorFile;
  readonly #widths: ReadonlyMap<string, number>;
  #holders = 1;

  private constructor(path: string, keeps: boolean, file: OpenTensorFile, widths: ReadonlyMap<string, number>) {
    this.path = path;
    this.keeps = keeps;
    this.#file = file;
    this.#widths = widths;
  }

  /** Reads what is not rows: some numbers, and the ids. @throws ERR_FORMAT, ERR_STATE, ERR_IO */
  static async open(
    op: string,
    path: string,
    keeps: boolean,
    signal: AbortSignal | undefined,
  ): Promise<{ file: RowFile; head: RowFileHead; ids: Int32Array }> {
    signal?.throwIfAborted();
    // Without the signal: later reads are of calls with signals of their own.
    const opening = openTensorFile(path, { op });
    const file = await abortable(opening, signal).catch((error: unknown) => {
      opening.then(
        (late) => late.giveUp(),
        () => {}, // it has failed by itself
      );
      throw error;
    });
    try {
      const head = headOf(op, path, file.metadata);
      const count = checkTensors(op, path, file, head);
      const ids = new Int32Array(count);
      await abortable(file.readRange(file.tensors.get('ids')!, 0, new Uint8Array(ids.buffer)), signal);
      if (!isAscending(ids) || (count > 0 && ids[0]! < 0)) bad(op, path, 'ids must ascend from 0 on, got others');
      if (count > 0 && ids.at(-1)! >= head.next) bad(op, path, `ids must be below ${head.next}, got ${ids.at(-1)}`);
      const widths = Object.keys(columnsOf(head.dtype, head.dim)).map((name) => {
        const { byteLength } = file.tensors.get(name)!;
        return [name, count === 0 ? 0 : byteLength / count] as const;
      });
      return { file: new RowFile(path, keeps, file, new Map(widths)), head, ids };
    } catch (error) {
      await file.giveUp();
      throw error;
    }
  }

  hold(): void {
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) void this.#file.giveUp();
  }

  /** Rows of one tensor, from one on, as many as fill the bytes. */
  async read(name: string, row: number, into: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const from = row * this.#widths.get(name)!;
    await abortable(this.#file.readRange(this.#file.tensors.get(name)!, from, into), signal);
  }
}

const bad = (op: string, path: string, problem: string): never => {
  throw new OrthokitError('ERR_FORMAT', `${op}: ${problem} in ${path}`);
};

function headOf(op: string, path: string, metadata: ReadonlyMap<string, string>): RowFileHead {
  if (metadata.get('format') !== format)
    throw new OrthokitError('ERR_STATE', `${op}: the file holds no database of rows: ${path}`);
  const stored = metadata.get('version') ?? '';
  if (stored !== version)
    throw new OrthokitError('ERR_STATE', `${op}: version of ${path} must be ${version}, got ${quote(stored)}`);
  const whole = (name: string, least: number, most: number): number => {
    const text = metadata.get(name) ?? '';
    const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
    if (value >= least && value <= most) return value;
    return bad(op, path, `${name} must be a whole number from ${least} to ${most}, got ${quote(text)}`);
  };
  const word = <T extends string>(name: string, words: readonly T[]): T => {
    const text = metadata.get(name) ?? '';
    return words.find((one) => one === text) ?? bad(op, path, `${name} must be one of ${words}, got ${quote(text)}`);
  };
  return {
    dim: whole('dim', 1, mostColumns),
    metric: word('metric', metrics),
    dtype: word('dtype', rowDtypes),
    next: whole('next', 0, 2 ** 31),
  };
}

/** The number of rows. */
function checkTensors(op: string, path: string, { tensors }: OpenTensorFile, { dtype, dim }: RowFileHead): number {
  const columns = columnsOf(dtype, dim);
  const [count = 0] = tensors.get('ids')?.shape ?? [];
  const expected = new Map([['ids', `I32 [${count}]`]]);
  for (const [name, { dtype: own, columns: width }] of Object.entries(columns))
    expected.set(name, `${fileDtypes[own]} [${count},${width}]`);
  for (const [name, text] of expected) {
    const info = tensors.get(name);
    const found = info ? `${info.dtype} [${info.shape}]` : 'none';
    if (found !== text) bad(op, path, `tensor ${name} must be ${text}, got ${found}`);
  }
  for (const name of tensors.keys())
    if (!expected.has(name)) bad(op, path, `tensors must be those of a database, got ${quote(name)}`);
  return count;
}

/** Rows in spans, in the order of their ids. */
export type Spans = (name: string) => AsyncIterable<ArrayBufferView>;

/** Replaces `path` at once and whole. */
export async function writeRows(
  op: string,
  path: string,
  head: RowFileHead,
  ids: Int32Array,
  spans: Spans,
  options: { signal: AbortSignal | undefined; onProgress: ((progress: Progress) => void) | undefined },
): Promise<void> {
  const sources: TensorSource[] = [{ name: 'ids', dtype: 'I32', shape: [ids.length], data: () => ids }];
  for (const [name, { dtype, columns }] of Object.entries(columnsOf(head.dtype, head.dim)))
    sources.push({ name, dtype: fileDtypes[dtype], shape: [ids.length, columns], data: () => spans(name) });
  const { dim, metric, dtype, next } = head;
  const metadata = { format, version, dim: String(dim), metric, dtype, next: String(next) };
  await writeTensorFile(path, sources, { op, ...options, metadata });
}

/** Rows of a segment of a file: what is read at once. */
export const rowsAtOnce = (bytes: number): number => Math.max(1, Math.floor(2 ** 25 / bytes));
