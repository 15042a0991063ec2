// Checkpoints of optimizers: a safetensors file of state tensors, with groups and scalars as text.
import { isDeepStrictEqual } from 'node:util';
import { isFloating } from '../../core/dtypes.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { isRecord, shown } from '../../core/options.ts';
import { type Option, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { isSameShape } from '../../core/shapes.ts';
import { give, type Tensor } from '../../core/tensor.ts';
import { inTurns, type Steps } from '../../core/turns.ts';
import { JsonReader } from '../../files/json/reader.ts';
import { few, quote, shortened } from '../../files/quote.ts';
import { dtypeOfFile, fileDtypes } from '../../files/safetensors/dtypes.ts';
import { type TensorFile, withTensorFile } from '../../files/safetensors/file.ts';
import { snapshot, type TransferOptions } from '../../files/safetensors/index.ts';
import { writeTensorFile } from '../../files/safetensors/write.ts';
import type { LoadResult, SaveOptions } from '../../files/stateful.ts';
import { checkPath, type Progress, saveSchema } from '../../files/transfer.ts';
import type { CommonOptions } from './common-options.ts';
import { converted } from './converted.ts';
import { skippedName } from './guard.ts';
import type { Group } from './params.ts';
import type { Conversion } from './part.ts';

/** The group that a tensor of state is of, by its number, and the name that parts of the optimizer have for it. */
export interface Place {
  readonly group: number;
  readonly slot: string;
}

/** The part of a checkpoint for one optimizer, and how it is put back. */
export interface OptimizerPart {
  readonly optimizer: string;
  readonly groups: readonly Group<CommonOptions>[];
  /** The names of the state of each group whose parameters have paths, in place of numbers. */
  readonly paths?: readonly (readonly string[] | undefined)[];
  readonly schema: Schema<Record<string, unknown>>;
  /** Defaults of the class that depend on what is given. */
  readonly defaults: (given: Record<string, unknown>) => Record<string, unknown>;
  readonly conversions: Readonly<Record<string, Conversion<Record<string, unknown>>>>;
  readonly bound: Readonly<Record<string, string>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** The place of each tensor that belongs to a parameter. */
  readonly places: Readonly<Record<string, Place>>;
  readonly steps: number;
  /** Throws for options that the group of this index could not step with. */
  check(where: string, options: object, index: number): void;
  restore(steps: number): void;
}

const format = 'orthokit-optimizer';
const version = 1;
/** Characters of the text that describes groups and shapes, at most: 50 a parameter are plenty. */
const contentLimit = 1 << 24;
// `nonFinite` is no part of a checkpoint: its counter may be missing, or left over.
const isOptional = (name: string): boolean => name === skippedName || name === `0/${skippedName}`;
const ownNames = ['format', 'version', 'content'];

/** The text of a checkpoint about one optimizer. */
interface StoredPart {
  optimizer: string;
  steps: number;
  groups: {
    name: string;
    options: Record<string, unknown>;
    shapes: (readonly number[])[];
    paths?: readonly string[] | undefined;
  }[];
}

const describePart = ({ optimizer, steps, groups, paths, schema }: OptimizerPart): StoredPart => ({
  optimizer,
  steps,
  groups: groups.map((group, i) => ({
    name: group.name,
    options: Object.fromEntries(Object.keys(schema).map((name) => [name, (group as never)[name]])),
    shapes: group.params.map((weight) => weight.shape),
    paths: paths?.[i],
  })),
});

/** A tensor of state, the number of its part, and what a checkpoint's numbers must be if they are not right. */
interface Wanted {
  readonly tensor: Tensor;
  readonly part: number;
  readonly place: Place | undefined;
}

/** The tensors of all parts under names that are unique in the file. */
function tensorsOf(parts: readonly OptimizerPart[]): Map<string, Wanted> {
  const named = new Map<string, Wanted>();
  for (const [i, part] of parts.entries())
    for (const [name, tensor] of Object.entries(part.tensors)) {
      const place = Object.hasOwn(part.places, name) ? part.places[name] : undefined;
      named.set(parts.length > 1 ? `${i}/${name}` : name, { tensor, part: i, place });
    }
  return named;
}

export async function save(
  path: string,
  op: string,
  parts: readonly OptimizerPart[],
  options: SaveOptions,
): Promise<void> {
  checkPath(op, path);
  const { metadata: own = {}, ...watched } = readOptions(op, options, saveSchema);
  for (const name of Object.keys(own))
    if (ownNames.includes(name)) throw refusal(op, 'metadata', `not use the names ${ownNames.join(', ')}`, name);
  watched.signal?.throwIfAborted();
  // Values that no step would take make a file that cannot be loaded.
  for (const part of parts) for (const [index, group] of part.groups.entries()) part.check(op, group, index);
  const content = JSON.stringify(parts.map(describePart));
  const tensors = Object.fromEntries([...tensorsOf(parts)].map(([name, { tensor }]) => [name, tensor]));
  await writeTensorFile(path, snapshot(tensors), {
    ...watched,
    metadata: { ...own, format, version: String(version), content },
    op,
  });
}

export async function load(
  path: string,
  op: string,
  parts: readonly OptimizerPart[],
  options: TransferOptions,
): Promise<LoadResult> {
  checkPath(op, path);
  const { signal, onProgress } = readOptions(op, options, watchers<Progress>());
  return withTensorFile(path, { op, signal }, async (file) => {
    const stored = await inTurns(storedParts(op, file), signal);
    const settings = compare(op, stored, parts);
    const tensors = tensorsOf(parts);
    compareTensors(op, file, tensors, parts);
    const total = [...tensors.keys()].reduce((sum, name) => sum + (file.tensors.get(name)?.byteLength ?? 0), 0);
    let done = 0;
    const data = new Map<string, TypedArray>();
    const onBytes = (count: number): void => {
      done += count;
      onProgress?.({ done, total });
    };
    for (const [name, { tensor, part, place }] of tensors) {
      const info = file.tensors.get(name);
      if (!info) {
        data.set(name, new Float64Array(tensor.size));
        continue;
      }
      const read = await file.read(name, onBytes);
      const dtype = dtypeOfFile(info.dtype)!;
      const factor = place ? (settings[part]![place.group]!.factors[place.slot] ?? 1) : 1;
      const fit = dtype === tensor.dtype && factor === 1 ? read : await converted(read, dtype, factor, tensor);
      data.set(name, fit ?? unfit(op, `state ${name} has numbers in the checkpoint that ${tensor.dtype} cannot hold`));
    }
    signal?.throwIfAborted();
    // All is read and fits: from here on nothing can fail but a device that has been closed meanwhile.
    for (const [name, { tensor }] of tensors) give(tensor, data.get(name) as TypedArray);
    for (const { group, values } of settings.flat()) Object.assign(group, values);
    for (const [i, part] of parts.entries()) part.restore(stored[i]!.steps);
    const metadata: Record<string, string> = Object.create(null);
    for (const [name, text] of file.metadata) if (!ownNames.includes(name)) metadata[name] = text;
    return { metadata };
  });
}

const unfit = (op: string, what: string, cause?: unknown): never => {
  throw new OrthokitError('ERR_STATE', `${op}: ${what}`, cause === undefined ? {} : { cause });
};

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, i) => text === b[i]);

const isShape = (shape: unknown): boolean =>
  Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0);

const arePaths = (paths: unknown, count: number): boolean =>
  paths === undefined ||
  (Array.isArray(paths) && paths.length === count && paths.every((path) => typeof path === 'string'));

/** The description of a file, its kinds checked. */
function* storedParts(op: string, { metadata }: TensorFile): Steps<StoredPart[]> {
  if (metadata.get('format') !== format) unfit(op, 'the file is not a checkpoint of an optimizer');
  if (metadata.get('version') !== String(version))
    unfit(
      op,
      `the checkpoint has format version ${quote(metadata.get('version') ?? '')}, and this release reads ${version}`,
    );
  const bad = (problem: string): never => {
    throw new OrthokitError('ERR_FORMAT', `${op}: the description of the optimizer is damaged: ${problem}`);
  };
  const text = metadata.get('content') ?? '';
  if (text.length > contentLimit) bad(`content must have at most ${contentLimit} characters, got ${text.length}`);
  const json = new JsonReader(Buffer.from(text), bad, 'content');
  const content = yield* json.value(contentLimit);
  json.end();
  if (!Array.isArray(content)) return bad('content must be a list, got another value');
  for (const part of content as unknown[]) {
    yield;
    if (!isRecord(part) || typeof part['optimizer'] !== 'string' || !Array.isArray(part['groups']))
      return bad('each part must have optimizer and groups, got one without');
    if (!Number.isSafeInteger(part['steps']) || (part['steps'] as number) < 0)
      return bad(`steps must be a count, got ${shown(part['steps'])}`);
    for (const group of part['groups'] as unknown[])
      if (
        !isRecord(group) ||
        typeof group['name'] !== 'string' ||
        !isRecord(group['options']) ||
        !Array.isArray(group['shapes']) ||
        !group['shapes'].every(isShape) ||
        !arePaths(group['paths'], group['shapes'].length)
      )
        return bad('each group must have name, options and shapes, got one without');
  }
  return content as unknown as StoredPart[];
}

interface Setting {
  readonly group: object;
  /** The values of its scalars. */
  readonly values: Record<string, unknown>;
  /** The factors of its state, by the names of parts, where the checkpoint has another form of it. */
  readonly factors: Record<string, number>;
}

/** Compares classes, groups and settled options; what the groups of each part will get. */
function compare(op: string, stored: readonly StoredPart[], parts: readonly OptimizerPart[]): Setting[][] {
  const settings: Setting[][] = parts.map(() => []);
  const classes = (all: readonly StoredPart[] | readonly OptimizerPart[]): string[] =>
    all.map((part) => part.optimizer);
  if (!isSame(classes(stored), classes(parts)))
    unfit(op, `the checkpoint is of ${few(classes(stored))}, and the optimizer is ${few(classes(parts))}`);
  for (const [i, part] of parts.entries()) {
    const { steps, groups } = stored[i] as StoredPart;
    // A combination leaves counting to its parts.
    if (part.groups.length === 0 && steps !== 0)
      unfit(op, `the checkpoint has ${steps} steps of ${part.optimizer}, which counts none`);
    const names = (all: readonly { name: string }[]): string[] => all.map((group) => group.name);
    if (!isSame(names(groups), names(part.groups)))
      unfit(op, `the checkpoint has groups ${few(names(groups))}, and the optimizer has ${few(names(part.groups))}`);
    for (const [g, group] of part.groups.entries()) {
      const from = groups[g] as StoredPart['groups'][number];
      const paths = part.paths?.[g];
      if ((paths === undefined) !== (from.paths === undefined))
        unfit(op, `group ${group.name} has its parameters by ${from.paths ? 'path' : 'number'} in the checkpoint`);
      const shapes = (all: readonly (readonly number[])[], names?: readonly string[]): string[] =>
        names ? all.map((shape, k) => `${names[k]} [${shape}]`).sort() : all.map((shape) => `[${shape}]`);
      const own = shapes(
        group.params.map((weight) => weight.shape),
        paths,
      );
      const other = shapes(from.shapes, from.paths);
      if (!isSame(other, own))
        unfit(op, `group ${group.name} has parameters ${few(other)} in the checkpoint, and ${few(own)} here`);
      const { values, factors } = valuesOf(op, group, from.options, part);
      try {
        part.check(op, { ...group, ...values }, g);
      } catch (cause) {
        unfit(op, `group ${group.name} has options that do not go together: ${(cause as Error).message}`, cause);
      }
      settings[i]!.push({ group, values, factors });
    }
  }
  return settings;
}

function valuesOf(
  op: string,
  group: { readonly name: string },
  stored: Record<string, unknown>,
  { schema, defaults, conversions }: Pick<OptimizerPart, 'schema' | 'defaults' | 'conversions'>,
): Omit<Setting, 'group'> {
  for (const name of Object.keys(stored))
    if (!Object.hasOwn(schema, name))
      unfit(op, `group ${group.name} has option ${quote(name)} in the checkpoint, unknown here`);
  const all: Record<string, unknown> = {};
  const take = (name: string, value: unknown): void => {
    const problem = schema[name]!.wrong(value);
    if (problem) unfit(op, `group ${group.name}: ${name} ${problem}, got ${shown(value)}`);
    all[name] = value;
  };
  const names = Object.keys(schema);
  for (const name of names) if (Object.hasOwn(stored, name)) take(name, stored[name]);
  // Options that came after the checkpoint was written have their defaults, which depend on those that are given.
  const ofClass = defaults(stored);
  for (const name of names) if (!Object.hasOwn(stored, name)) take(name, ofClass[name] ?? schema[name]!.default);
  const values: Record<string, unknown> = {};
  const factors: Record<string, number> = {};
  for (const [name, { fixed }] of Object.entries<Option<unknown>>(schema)) {
    const own: unknown = (group as never)[name];
    if (!fixed) values[name] = all[name];
    // A clone of what the reader made has the prototypes of other objects.
    else if (!isDeepStrictEqual(structuredClone(all[name]), own)) {
      const answer = conversions[name]?.(all, group as never) ?? '';
      if (typeof answer === 'string') {
        const differ = `group ${group.name} has ${name} ${shown(all[name])} in the checkpoint, and ${shown(own)} here`;
        unfit(op, answer === '' ? differ : `${differ}: ${answer}`);
      } else Object.assign(factors, answer);
    }
  }
  return { values, factors };
}

function compareTensors(
  op: string,
  { tensors: stored }: TensorFile,
  tensors: ReadonlyMap<string, Wanted>,
  parts: readonly OptimizerPart[],
): void {
  const missing = [...tensors.keys()].filter((name) => !stored.has(name) && !isOptional(name));
  const extra = [...stored.keys()].filter((name) => !tensors.has(name) && !isOptional(name));
  if (missing.length > 0) unfit(op, `the checkpoint lacks state ${few(missing)}`);
  if (extra.length > 0) unfit(op, `the checkpoint has state that the optimizer lacks: ${few(extra)}`);
  for (const [name, { tensor, part, place }] of tensors) {
    const info = stored.get(name);
    if (!info) continue;
    const fits = isSameShape(info.shape, tensor.shape);
    if (fits && info.dtype === fileDtypes[tensor.dtype]) continue;
    const dtype = dtypeOfFile(info.dtype);
    const bound = place && parts[part]!.bound[place.slot];
    const canBe = dtype !== undefined && isFloating(dtype) && isFloating(tensor.dtype) && fits;
    if (canBe && place && bound === undefined) continue;
    const own = `${fileDtypes[tensor.dtype]} [${tensor.shape}]`;
    const other = `${info.dtype} [${shortened(info.shape.join())}]`;
    const why = bound === undefined ? '' : `: ${bound}`;
    unfit(op, `state ${name} is ${other} in the checkpoint, and ${own} here${why}`);
  }
}
