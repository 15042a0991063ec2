import os from 'node:os';
import type { Device, DeviceKind } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import {
  count,
  flag,
  kind,
  optional,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
  word,
} from '../../core/schema.ts';
import type { TaskOptions } from '../../core/task.ts';
import { device, folder, memoryLimit, patterns } from '../../files/model-folder/options.ts';
import { quote } from '../../files/quote.ts';
import { isPath } from '../../files/transfer.ts';

/** Ways to compress a matrix. */
export type CompressMethod = 'group' | 'codebook';
export const compressMethods: readonly CompressMethod[] = ['group', 'codebook'];

/** Progress of {@link compressModel}. An abort keeps what is done for the next run. */
export interface CompressProgress {
  /** Compressing tensors, or writing files. */
  readonly stage: 'compress' | 'write';
  /** Bytes: of the old tensors, or of the new files. */
  readonly done: number;
  /** Bytes of the whole stage. */
  readonly total: number;
}

/** Options of {@link compressModel}. */
export interface CompressOptions extends TaskOptions<CompressProgress> {
  /** The folder of the model. No default. */
  readonly base: string;
  /** The new folder: a free name or an empty folder, in a folder that exists. No default. */
  readonly out: string;
  /** `group`: whole numbers times a scale of each group. `codebook`: numbers of codebooks, by k-means. No default. */
  readonly method: CompressMethod;
  /** Bits of a code: 2, 3, 4 or 8, for `codebook` 1 to 8. Default: 4. */
  readonly bits?: number | undefined;
  /** Other bits for names that fit a pattern, `{ '**.down.*': 8 }`: those of the first that fits. Default: none. */
  readonly bitsOf?: Readonly<Record<string, number>> | undefined;
  /**
   * Neighbours in a row that share a scale, for `group`. Where it does not divide a row, the largest of 128, 64 and 32
   * below it that does. Default: 64.
   */
  readonly group?: number | undefined;
  /** Codebooks of a matrix, for `codebook`; of one with fewer rows, as many as rows. Default: 1. */
  readonly groups?: number | undefined;
  /** Seed of {@link CodebookLinear.compress}, for `codebook`. Default: 0. */
  readonly seed?: number | undefined;
  /**
   * A safetensors file of inputs of matrices, for `codebook`: floating `[rows, in]` by the name of a matrix, with which
   * {@link CodebookLinear.refine} moves codes and codebooks. Matrices without inputs stay as k-means has them. Default:
   * none.
   */
  readonly calibration?: string | undefined;
  /** Steps for each matrix, with `calibration`. Default: 300. */
  readonly steps?: number | undefined;
  /** Patterns of names that are compressed although embeddings, heads and norms stay as they are. Default: none. */
  readonly include?: readonly string[] | undefined;
  /** Patterns of names that stay as they are, before all else. Default: none. */
  readonly skip?: readonly string[] | undefined;
  /**
   * Refuse a model of which a matrix would stay as it is, or have another group, as its shape does not fit, and
   * patterns that no name of the model fits, of which there is a warning otherwise. Default: `false`.
   */
  readonly strict?: boolean | undefined;
  /** The most bytes of tensors in a file; what is larger has a file of its own. Default: the files of the model. */
  readonly shardSize?: number | undefined;
  /** Device of the computation: an open one, or the name of one to open. Default: `auto`. */
  readonly device?: Device | DeviceKind | 'auto' | `cuda:${number}` | undefined;
  /** The most bytes of memory that the job may take. Default: 80 % of the machine's memory. */
  readonly memoryLimit?: number | undefined;
  /** Follow symbolic links in the folder, as a download cache has them. Default: `false`. */
  readonly followLinks?: boolean | undefined;
  /** Answer the report of what would be done, and write nothing. Default: `false`. */
  readonly dryRun?: boolean | undefined;
  /** Discard what an earlier run has left, instead of going on. Default: `false`. */
  readonly restart?: boolean | undefined;
}

type Open = 'bitsOf' | 'include' | 'skip' | 'shardSize' | 'signal' | 'onProgress';
type OfMethod = 'group' | 'groups' | 'seed' | 'calibration' | 'steps';
/** All options, with their defaults; those that the method does not have are undefined. */
export type Settings = Resolved<CompressOptions, Open | OfMethod>;

const isBits = (x: unknown): boolean => Number.isInteger(x) && (x as number) >= 1 && (x as number) <= 8;
const bitsOf = kind<Readonly<Record<string, number>>>(
  (x) => isRecord(x) && Object.values(x).every(isBits),
  'an object from patterns to bits, 1 to 8',
);

const schema: Schema<Resolved<CompressOptions, Open | OfMethod | 'memoryLimit'>> = {
  base: folder,
  out: folder,
  method: required(word(compressMethods, 'group')),
  bits: whole(4, 1, 8),
  bitsOf,
  group: optional(count(64)),
  groups: optional(whole(1, 1, 65_536)),
  seed: optional(whole(0, 0, 2 ** 53)),
  calibration: kind(isPath, 'the path of a file'),
  steps: optional(count(300)),
  include: patterns,
  skip: patterns,
  strict: flag(false),
  shardSize: optional(count(1)),
  device,
  memoryLimit,
  followLinks: flag(false),
  dryRun: flag(false),
  restart: flag(false),
  ...watchers<CompressProgress>(),
};

const groupBits: readonly number[] = [2, 3, 4, 8];
const ownOptions = { group: ['group'], codebook: ['groups', 'seed', 'calibration', 'steps'] } as const;

/** @throws ERR_ARGUMENT for what is unknown, of the wrong kind, out of range, or of the other method */
export function settle(op: string, options: CompressOptions): Settings {
  const given = readOptions(op, options, schema);
  const { method, bits } = given;
  for (const name of [...ownOptions.group, ...ownOptions.codebook])
    if (given[name] !== undefined && !(ownOptions[method] as readonly string[]).includes(name))
      throw refusal(op, name, `be left out for the method ${method}`, shown(given[name]));
  const named = Object.entries(given.bitsOf ?? {}).map(
    ([pattern, own]) => [`bitsOf of ${quote(pattern)}`, own] as const,
  );
  for (const [name, own] of [['bits', bits] as const, ...named])
    if (method === 'group' && !groupBits.includes(own))
      throw refusal(op, name, 'be 2, 3, 4 or 8 for the method group', own);
  const { calibration, steps } = given;
  if (steps !== undefined && calibration === undefined)
    throw refusal(op, 'steps', 'be left out without calibration', steps);
  const own =
    method === 'group'
      ? { group: given.group ?? 64 }
      : { groups: given.groups ?? 1, seed: given.seed ?? 0, ...(calibration !== undefined && { steps: steps ?? 300 }) };
  return { ...given, ...own, memoryLimit: given.memoryLimit ?? Math.floor(0.8 * os.totalmem()) };
}
