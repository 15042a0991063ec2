// The state of an object that goes on from call to call, as a safetensors file: its tensors, and numbers in a text.
import { isDeepStrictEqual } from 'node:util';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import type { TypedArray } from '../core/native.ts';
import { isRecord } from '../core/options.ts';
import { readOptions, type Schema, watchers } from '../core/schema.ts';
import { give, type Tensor } from '../core/tensor.ts';
import { inTurns, type Steps } from '../core/turns.ts';
import { JsonReader } from './json/reader.ts';
import { few, quote, shortened } from './quote.ts';
import { fileDtypes } from './safetensors/dtypes.ts';
import { type TensorFile, withTensorFile } from './safetensors/file.ts';
import { snapshot } from './safetensors/index.ts';
import { writeTensorFile } from './safetensors/write.ts';
import type { LoadResult, SaveOptions } from './stateful.ts';
import { checkPath, type Progress, saveSchema, type TransferOptions } from './transfer.ts';

/** Demands on a file of a state. */
export interface StateForm<N> {
  /** The class, which the file names. */
  readonly of: string;
  /** Values of JSON that a file must agree with, such as options that the state depends on. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Rules for the numbers of a file. */
  readonly schema: Schema<N>;
  /** Names a fault of numbers that keep the rules one by one. */
  readonly wrong?: (numbers: N) => string | undefined;
  /** Names a fault of the elements of a file's tensors, such as signs that the method does not have; or steps to it. */
  readonly wrongData?: (
    data: ReadonlyMap<string, TypedArray>,
    numbers: N,
  ) => string | undefined | Steps<string | undefined>;
}

/** The state of an object. */
export interface KeptState<N> extends StateForm<N> {
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Numbers beside them, or lists of them; in a file they are as exact as they are here. */
  readonly numbers: N;
}

/** A state that has been read and fits. */
export interface ReadState<N> extends LoadResult {
  readonly numbers: N;
  readonly data: ReadonlyMap<string, TypedArray>;
}

type Place = Pick<Tensor, 'dtype' | 'shape'>;

const format = 'orthokit-state';
const version = '1';
/** Characters of the texts that hold numbers and settings. */
const textLimit = 1 << 20;
const ownNames = ['format', 'version', 'class', 'numbers', 'settings'];

/**
 * Stores the state of the moment of the call: reads are queued before it returns.
 * @throws ERR_UNSUPPORTED for numbers or settings that are longer than a file may have them
 */
export async function saveState<N extends object>(
  path: string,
  op: string,
  { of, settings = {}, tensors, numbers }: KeptState<N>,
  options: SaveOptions,
): Promise<void> {
  checkPath(op, path);
  const { metadata: own = {}, ...watched } = readOptions(op, options, saveSchema);
  for (const name of Object.keys(own))
    if (ownNames.includes(name)) throw refusal(op, 'metadata', `not use the names ${ownNames.join(', ')}`, name);
  watched.signal?.throwIfAborted();
  const texts = { numbers: JSON.stringify(numbers), settings: JSON.stringify(settings) };
  for (const [name, { length }] of Object.entries(texts)) {
    if (length <= textLimit) continue;
    const must = `have ${name} of at most ${textLimit} characters`;
    throw refusal(op, `the state of ${of}`, must, length, 'ERR_UNSUPPORTED');
  }
  await writeTensorFile(path, snapshot(tensors), {
    ...watched,
    metadata: { ...own, format, version, class: of, ...texts },
    op,
  });
}

/** Brings the tensors back, once all has been read and fits, and then tells the numbers to `restore`. */
export async function loadState<N extends object>(
  path: string,
  op: string,
  state: KeptState<N>,
  options: TransferOptions,
  restore: (numbers: N) => void,
): Promise<LoadResult> {
  const { numbers, data, metadata } = await readState(path, op, state, () => state.tensors, options);
  for (const [name, tensor] of Object.entries(state.tensors))
    if (tensor.disposed) throw new OrthokitError('ERR_DISPOSED', `${op}: ${name} has been disposed`);
  // From here on nothing can fail but a device that has been closed meanwhile.
  for (const [name, tensor] of Object.entries(state.tensors)) give(tensor, data.get(name)!);
  restore(numbers);
  return { metadata };
}

/** Reads a state whose tensors are known by its numbers. */
export async function readState<N extends object>(
  path: string,
  op: string,
  form: StateForm<N>,
  tensorsOf: (numbers: N) => Readonly<Record<string, Place>>,
  options: TransferOptions,
): Promise<ReadState<N>> {
  checkPath(op, path);
  const { signal, onProgress } = readOptions(op, options, watchers<Progress>());
  return withTensorFile(path, { op, signal }, async (file) => {
    const numbers = await numbersOf(op, file, form, signal);
    const tensors = tensorsOf(numbers);
    compareTensors(op, file, tensors);
    let [done, total] = [0, 0];
    for (const name of Object.keys(tensors)) total += file.tensors.get(name)!.byteLength;
    const data = new Map<string, TypedArray>();
    for (const name of Object.keys(tensors)) {
      const array = await file.read(name, (count) => {
        done += count;
        onProgress?.({ done, total });
      });
      data.set(name, array);
    }
    const found = form.wrongData?.(data, numbers);
    const problem = typeof found === 'object' ? await inTurns(found, signal) : found;
    if (problem) unfit(op, problem);
    signal?.throwIfAborted();
    const metadata: Record<string, string> = Object.create(null);
    for (const [name, text] of file.metadata) if (!ownNames.includes(name)) metadata[name] = text;
    return { numbers, data, metadata };
  });
}

const text = (value: unknown): string => shortened(JSON.stringify(value) ?? 'none');

const unfit = (op: string, what: string): never => {
  throw new OrthokitError('ERR_STATE', `${op}: ${what}`);
};

async function numbersOf<N extends object>(
  op: string,
  { metadata }: TensorFile,
  { of, settings = {}, schema, wrong }: StateForm<N>,
  signal: AbortSignal | undefined,
): Promise<N> {
  if (metadata.get('format') !== format) unfit(op, `the file holds no state of ${of}`);
  const stored = metadata.get('version') ?? '';
  if (stored !== version) unfit(op, `the file has format version ${quote(stored)}, this release reads ${version}`);
  const other = metadata.get('class') ?? '';
  if (other !== of) unfit(op, `the file holds the state of ${quote(other)}, and this is ${of}`);
  const found = await recordOf(op, 'settings', metadata, signal);
  for (const [name, value] of Object.entries(settings))
    if (!isDeepStrictEqual(structuredClone(found[name]), value))
      unfit(op, `${name} must be ${text(value)} as here, got ${text(found[name])}`);
  const numbers = await recordOf(op, 'numbers', metadata, signal);
  const names = Object.keys(schema) as (keyof N & string)[];
  for (const name of Object.keys(numbers))
    if (!Object.hasOwn(schema, name)) unfit(op, `number ${quote(name)} is unknown`);
  for (const name of names) {
    const problem = Object.hasOwn(numbers, name) ? schema[name].wrong(numbers[name] as never) : 'must be there';
    if (problem) unfit(op, `number ${name} ${problem}, got ${shown(numbers[name])}`);
  }
  const problem = wrong?.(numbers as unknown as N);
  if (problem) unfit(op, problem);
  return numbers as unknown as N;
}

/** An object of a text, which a stranger may have written. */
async function recordOf(
  op: string,
  name: string,
  metadata: TensorFile['metadata'],
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown>> {
  const bad = (problem: string): never => {
    throw new OrthokitError('ERR_FORMAT', `${op}: the ${name} of the state are damaged: ${problem}`);
  };
  const stored = metadata.get(name) ?? '';
  if (stored.length > textLimit) bad(`they must have at most ${textLimit} characters, got ${stored.length}`);
  const json = new JsonReader(Buffer.from(stored), bad, name);
  const value: unknown = await inTurns(json.value(textLimit), signal);
  json.end();
  return isRecord(value) ? value : bad('they must be an object, got another value');
}

function compareTensors(op: string, { tensors: stored }: TensorFile, tensors: Readonly<Record<string, Place>>): void {
  const missing = Object.keys(tensors).filter((name) => !stored.has(name));
  const extra = [...stored.keys()].filter((name) => !Object.hasOwn(tensors, name));
  if (missing.length > 0) unfit(op, `the file lacks state ${few(missing, quote)}`);
  if (extra.length > 0) unfit(op, `the file has state that is unknown here: ${few(extra, quote)}`);
  for (const [name, { dtype, shape }] of Object.entries(tensors)) {
    const info = stored.get(name)!;
    const own = `${fileDtypes[dtype]} [${shape}]`;
    const other = `${info.dtype} [${shortened(info.shape.join())}]`;
    if (own !== other) unfit(op, `state ${quote(name)} is ${other} in the file, and ${own} here`);
  }
}
