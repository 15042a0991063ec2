import os from 'node:os';
import { Device, type DeviceKind } from '../core/device.ts';
import { OrthokitError, oneOf } from '../core/errors.ts';
import { checkOptions, isRecord, shown } from '../core/options.ts';
import { checkPath } from '../files/transfer.ts';
import type { MethodName } from './methods/method.ts';
import type { TableNames } from './tables/names.ts';

/** For which tables a way of matching counts. */
export type MatchScope = 'none' | 'both' | 'embed' | 'lm-head';

/** How far a transplantation is. */
export interface TransplantProgress {
  /** Reading the tables, computing rows, or writing files. */
  readonly stage: 'scan' | 'approximate' | 'write';
  /** Rows, or bytes where files are written. */
  readonly done: number;
  /** Rows, or bytes, of the whole stage. */
  readonly total: number;
}

/** Options of {@link transplant}. */
export interface TransplantOptions {
  /** The folder of the model whose weights are kept. No default. */
  readonly base: string;
  /** The folder of the model whose tokenizer is wanted. No default. */
  readonly donor: string;
  /** The new folder: a free name or an empty folder, in a folder that exists. No default. */
  readonly out: string;
  /** How rows of tokens that the base lacks are made. Default: `omp`. */
  readonly method?: MethodName | undefined;
  /** Tokens that stand for a new one, for `omp` and `common_interpolation`: 1 or more. Default: 64. */
  readonly k?: number | undefined;
  /** What `omp` selects atoms by: their products, or those of atoms of length one. Default: `raw`. */
  readonly select?: 'raw' | 'unit' | undefined;
  /** Weights of neighbours, for `common_interpolation`. Default: `distance_proportional`. */
  readonly weightScheme?: 'distance_proportional' | 'barycentric' | 'least_squares' | undefined;
  /** What makes neighbours, for `common_interpolation`. Default: `euclidean`. */
  readonly metric?: 'euclidean' | 'cosine' | undefined;
  /** How pieces make a row, for `subword`. Default: `mean`. */
  readonly subwordMethod?: 'mean' | 'sum' | 'weighted_mean' | 'first_last' | undefined;
  /** What makes two tokens the same. Default: `bytes`. */
  readonly match?: 'bytes' | 'mergekit' | undefined;
  /** Tables for which a token of one byte may be `<0xHH>`. Default: `both`, with `mergekit` `none`. */
  readonly byteMatch?: MatchScope | undefined;
  /** Tables for which a token may take the row of its longest prefix. Default: `none`. */
  readonly prefixMatch?: MatchScope | undefined;
  /** Approximate tokens again whose rows in base or donor look never trained. Default: `false`. */
  readonly magikarp?: boolean | undefined;
  /** Cut new rows to the 99.9 % quantile of the base's norms. Default: `true`, with `mergekit` `false`. */
  readonly normClip?: boolean | undefined;
  /** The number of rows is a multiple of this. Default: that of the base. */
  readonly padToMultiple?: number | undefined;
  /** Rows that no token needs: zero, the mean of the base, or its own rows of no token in turn. Default: `zero`. */
  readonly unusedRows?: 'zero' | 'mean' | 'copy' | undefined;
  /** Names of tables where they cannot be found. Default: by the names that models use. */
  readonly tensors?:
    | {
        /** Of the base. */
        readonly base?: TableNames | undefined;
        /** Of the donor. */
        readonly donor?: TableNames | undefined;
      }
    | undefined;
  /** Where to compute: an open device, or the name of one to open. Default: `auto`. */
  readonly device?: Device | DeviceKind | 'auto' | `cuda:${number}` | undefined;
  /** Tokens computed at once; results do not depend on it. Default: 256. */
  readonly batchSize?: number | undefined;
  /** Of random rows. Default: 0. */
  readonly seed?: number | undefined;
  /** The most bytes that tables and Gram rows take. Default: 40 % of the machine's memory. */
  readonly memoryLimit?: number | undefined;
  /** Follow symbolic links in the folders, as a download cache has them. Default: `false`. */
  readonly followLinks?: boolean | undefined;
  /** Answer the report of what would be done, and write nothing. Default: `false`. */
  readonly dryRun?: boolean | undefined;
  /** Discard what an earlier run has left, instead of going on. Default: `false`. */
  readonly restart?: boolean | undefined;
  /** Aborting rejects with the signal's reason; what is done is kept for the next run. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step. Default: none. */
  readonly onProgress?: ((progress: TransplantProgress) => void) | undefined;
}

/** All options, with their defaults. */
export interface Settings {
  base: string;
  donor: string;
  out: string;
  method: MethodName;
  k: number;
  select: 'raw' | 'unit';
  weightScheme: 'distance_proportional' | 'barycentric' | 'least_squares';
  metric: 'euclidean' | 'cosine';
  subwordMethod: 'mean' | 'sum' | 'weighted_mean' | 'first_last';
  match: 'bytes' | 'mergekit';
  byteMatch: MatchScope;
  prefixMatch: MatchScope;
  magikarp: boolean;
  normClip: boolean;
  padToMultiple: number | undefined;
  unusedRows: 'zero' | 'mean' | 'copy';
  tensors: { base: TableNames; donor: TableNames };
  device: Device | string;
  batchSize: number;
  seed: number;
  memoryLimit: number;
  followLinks: boolean;
  dryRun: boolean;
  restart: boolean;
  signal: AbortSignal | undefined;
  onProgress: ((progress: TransplantProgress) => void) | undefined;
}

const words: Readonly<Record<string, readonly string[]>> = {
  select: ['raw', 'unit'],
  weightScheme: ['distance_proportional', 'barycentric', 'least_squares'],
  metric: ['euclidean', 'cosine'],
  subwordMethod: ['mean', 'sum', 'weighted_mean', 'first_last'],
  match: ['bytes', 'mergekit'],
  byteMatch: ['none', 'both', 'embed', 'lm-head'],
  prefixMatch: ['none', 'both', 'embed', 'lm-head'],
  unusedRows: ['zero', 'mean', 'copy'],
};
const flags = ['magikarp', 'normClip', 'followLinks', 'dryRun', 'restart'];
const counts = ['k', 'padToMultiple', 'batchSize'];

const known = [
  ...['base', 'donor', 'out', 'method', 'tensors', 'device', 'seed', 'memoryLimit', 'signal', 'onProgress'],
  ...[...Object.keys(words), ...flags, ...counts],
];

/** @throws `ERR_ARGUMENT` for what is unknown, of the wrong kind or out of range */
export function settle(op: string, options: TransplantOptions): Settings {
  checkOptions(op, options, known);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  for (const name of ['base', 'donor', 'out']) checkFolder(op, name, given[name]);
  const parity = given['match'] === 'mergekit';
  const settings = {
    method: 'omp',
    k: 64,
    select: 'raw',
    weightScheme: 'distance_proportional',
    metric: 'euclidean',
    subwordMethod: 'mean',
    match: 'bytes',
    byteMatch: parity ? 'none' : 'both',
    prefixMatch: 'none',
    magikarp: false,
    normClip: !parity,
    padToMultiple: undefined,
    unusedRows: 'zero',
    device: 'auto',
    batchSize: 256,
    seed: 0,
    memoryLimit: Math.floor(0.4 * os.totalmem()),
    followLinks: false,
    dryRun: false,
    restart: false,
    signal: undefined,
    onProgress: undefined,
    ...given,
    tensors: tableNames(op, given['tensors']),
  } as Settings;
  const all = settings as unknown as Record<string, unknown>;
  const wrong = (name: string, must: string): never => {
    throw new OrthokitError('ERR_ARGUMENT', `${op}: ${name} must be ${must}, got ${shown(all[name])}`);
  };
  for (const [name, allowed] of Object.entries(words))
    if (!allowed.includes(all[name] as string)) wrong(name, oneOf(allowed));
  for (const name of flags) if (typeof all[name] !== 'boolean') wrong(name, 'a boolean');
  for (const name of counts) {
    const value = all[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= 1))
      wrong(name, 'a whole number from 1');
  }
  const { seed, memoryLimit, signal, onProgress, device } = settings;
  if (!(Number.isSafeInteger(seed) && seed >= 0)) wrong('seed', 'a whole number from 0');
  if (!(Number.isFinite(memoryLimit) && memoryLimit > 0)) wrong('memoryLimit', 'a number of bytes');
  if (signal !== undefined && !(signal instanceof AbortSignal)) wrong('signal', 'an AbortSignal');
  if (onProgress !== undefined && typeof onProgress !== 'function') wrong('onProgress', 'a function');
  if (!(device instanceof Device || typeof device === 'string')) wrong('device', 'a Device or the name of one');
  return settings;
}

function checkFolder(op: string, field: string, value: unknown): void {
  if (typeof value !== 'string')
    throw new OrthokitError('ERR_ARGUMENT', `${op}: ${field} must be the path of a folder, got ${shown(value)}`);
  checkPath(op, value);
}

function tableNames(op: string, tensors: unknown): Settings['tensors'] {
  if (tensors === undefined) return { base: {}, donor: {} };
  checkOptions(op, tensors, ['base', 'donor']);
  const sides = tensors as Record<string, unknown>;
  for (const [side, names] of Object.entries(sides)) {
    if (names === undefined) continue;
    checkOptions(`${op}: tensors.${side}`, names, ['embed', 'lmHead']);
    for (const [name, value] of Object.entries(isRecord(names) ? names : {})) {
      if (value !== undefined && typeof value !== 'string')
        throw new OrthokitError(
          'ERR_ARGUMENT',
          `${op}: tensors.${side}.${name} must be the name of a tensor, got ${shown(value)}`,
        );
    }
  }
  return { base: sides['base'] ?? {}, donor: sides['donor'] ?? {} } as Settings['tensors'];
}
