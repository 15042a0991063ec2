import os from 'node:os';
import type { Device, DeviceKind } from '../core/device.ts';
import {
  count,
  flag,
  kind,
  nested,
  type Option,
  optional,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  word,
} from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';
import { device, folder, memoryLimit } from '../files/model-folder/options.ts';
import { type MethodName, methodNames } from './methods/method.ts';
import type { TableNames } from './tables/names.ts';

/** The tables for which a way of matching counts. */
export type MatchScope = 'none' | 'both' | 'embed' | 'lm-head';

/** Progress of a transplantation, told after each step. An abort keeps what is done for the next run. */
export interface TransplantProgress {
  /** Reading the tables, computing rows, or writing files. */
  readonly stage: 'scan' | 'approximate' | 'write';
  /** Rows, or bytes where files are written. */
  readonly done: number;
  /** Rows, or bytes, of the whole stage. */
  readonly total: number;
}

/** Options of {@link transplant}. */
export interface TransplantOptions extends TaskOptions<TransplantProgress> {
  /** The folder of the model whose weights are kept. No default. */
  readonly base: string;
  /** The folder of the model whose tokenizer is wanted. No default. */
  readonly donor: string;
  /** The new folder: a free name or an empty folder, in a folder that exists. No default. */
  readonly out: string;
  /** The method that makes rows of tokens that the base lacks. Default: `omp`. */
  readonly method?: MethodName | undefined;
  /** Tokens that stand for a new one, for `omp` and `common_interpolation`: 1 or more. Default: 64. */
  readonly k?: number | undefined;
  /** Scores by which `omp` selects atoms: their products, or those of atoms of length one. Default: `raw`. */
  readonly select?: 'raw' | 'unit' | undefined;
  /** Weights of neighbours, for `common_interpolation`. Default: `distance_proportional`. */
  readonly weightScheme?: 'distance_proportional' | 'barycentric' | 'least_squares' | undefined;
  /** Distance by which neighbours are found, for `common_interpolation`. Default: `euclidean`. */
  readonly metric?: 'euclidean' | 'cosine' | undefined;
  /** The way in which subwords make a row, for `subword`. Default: `mean`. */
  readonly subwordMethod?: 'mean' | 'sum' | 'weighted_mean' | 'first_last' | undefined;
  /** Rule by which two tokens are the same. Default: `bytes`. */
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
        /** Names of the tables of the base. */
        readonly base?: TableNames | undefined;
        /** Names of the tables of the donor. */
        readonly donor?: TableNames | undefined;
      }
    | undefined;
  /** Device of the computation: an open one, or the name of one to open. Default: `auto`. */
  readonly device?: Device | DeviceKind | 'auto' | `cuda:${number}` | undefined;
  /** Tokens computed at once; results do not depend on it. Default: 256. */
  readonly batchSize?: number | undefined;
  /** Seed of random rows. Default: 0. */
  readonly seed?: number | undefined;
  /** The most bytes that tables and Gram rows take. Default: 40 % of the machine's memory. */
  readonly memoryLimit?: number | undefined;
  /** Follow symbolic links in the folders, as a download cache has them. Default: `false`. */
  readonly followLinks?: boolean | undefined;
  /** Answer the report of what would be done, and write nothing. Default: `false`. */
  readonly dryRun?: boolean | undefined;
  /** Discard what an earlier run has left, instead of going on. Default: `false`. */
  readonly restart?: boolean | undefined;
}

/** Options of {@link transplantTables}: those of {@link transplant} that are not about files. */
export type TransplantTablesOptions = Omit<
  TransplantOptions,
  'base' | 'donor' | 'out' | 'tensors' | 'device' | 'followLinks' | 'dryRun' | 'restart'
>;

type Open = 'padToMultiple' | 'signal' | 'onProgress';
/** Options whose defaults depend on others, or on the machine. */
type Dependent = 'byteMatch' | 'normClip' | 'memoryLimit';

type GivenTableSettings = Resolved<TransplantTablesOptions, Open | Dependent>;
/** Options of {@link transplantTables}, with their defaults. */
export type TableSettings = Resolved<TransplantTablesOptions, Open>;
/** Those about files. */
interface FileSettings extends Resolved<Omit<TransplantOptions, keyof TransplantTablesOptions | 'tensors'>> {
  tensors: { base: TableNames; donor: TableNames };
}
/** All options, with their defaults. */
export type Settings = TableSettings & FileSettings;

const scopes: readonly MatchScope[] = ['none', 'both', 'embed', 'lm-head'];

const tableSchema: Schema<GivenTableSettings> = {
  method: word(methodNames, 'omp'),
  k: count(64),
  select: word(['raw', 'unit'], 'raw'),
  weightScheme: word(['distance_proportional', 'barycentric', 'least_squares'], 'distance_proportional'),
  metric: word(['euclidean', 'cosine'], 'euclidean'),
  subwordMethod: word(['mean', 'sum', 'weighted_mean', 'first_last'], 'mean'),
  match: word(['bytes', 'mergekit'], 'bytes'),
  byteMatch: optional(word(scopes, 'both')),
  prefixMatch: word(scopes, 'none'),
  magikarp: flag(false),
  normClip: optional(flag(true)),
  padToMultiple: optional(count(1)),
  unusedRows: word(['zero', 'mean', 'copy'], 'zero'),
  batchSize: count(256),
  seed: count(0, 0),
  memoryLimit,
  ...watchers<TransplantProgress>(),
};

const name: Option<string | undefined> = kind((x) => typeof x === 'string', 'the name of a tensor');
const names: Option<TableNames> = nested<TableNames>({ embed: name, lmHead: name });

const schema: Schema<FileSettings & GivenTableSettings> = {
  base: folder,
  donor: folder,
  out: folder,
  ...tableSchema,
  tensors: nested<Settings['tensors']>({ base: names, donor: names }),
  device,
  followLinks: flag(false),
  dryRun: flag(false),
  restart: flag(false),
};

function withDefaults<T extends GivenTableSettings>(given: T): T & TableSettings {
  const isParity = given.match === 'mergekit';
  return {
    ...given,
    byteMatch: given.byteMatch ?? (isParity ? 'none' : 'both'),
    normClip: given.normClip ?? !isParity,
    memoryLimit: given.memoryLimit ?? Math.floor(0.4 * os.totalmem()),
  };
}

/** @throws ERR_ARGUMENT for what is unknown, of the wrong kind or out of range */
export const settle = (op: string, options: TransplantOptions): Settings =>
  withDefaults(readOptions(op, options, schema));

/** The same without files. */
export const settleTables = (op: string, options: TransplantTablesOptions): TableSettings =>
  withDefaults(readOptions(op, options, tableSchema));
