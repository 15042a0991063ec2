import os from 'node:os';
import type { Device, DeviceKind } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { isListOf } from '../core/options.ts';
import {
  count,
  finite,
  flag,
  fraction,
  kind,
  type Option,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  word,
} from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';
import { device, folder, memoryLimit, patterns } from '../files/model-folder/options.ts';
import { isPath } from '../files/transfer.ts';
import { type MergeMethod, mergeMethods } from './methods/names.ts';

/** Progress of {@link mergeModels}, told after each step. An abort keeps what is done for the next run. */
export interface MergeProgress {
  /** Reading all inputs once, measuring task vectors, or writing files. */
  readonly stage: 'scan' | 'measure' | 'write';
  /** Bytes. */
  readonly done: number;
  /** Bytes of the whole stage. */
  readonly total: number;
}

/** Options of {@link mergeModels}. */
export interface MergeOptions extends TaskOptions<MergeProgress> {
  /** The folder of the model from which the others were trained. No default. */
  readonly base: string;
  /**
   * The folders of the models that are merged, one or more: whole models, or adapters of the base in the files of peft
   * (LoRA). No default.
   */
  readonly models: readonly string[];
  /** The new folder: a free name or an empty folder, in a folder that exists. No default. */
  readonly out: string;
  /** The method of the merge. No default. */
  readonly method: MergeMethod;
  /** A factor for each model's task vector, for `average`, `arithmetic` and `ties`. Default: 1 each. */
  readonly weights?: readonly number[] | undefined;
  /** The share of singular values whose directions `opcm` protects, in [0, 1). Default: 0.5. */
  readonly alpha?: number | undefined;
  /** The factor of what the other methods add to the base. Default: 1, for `arithmetic` 0.3. */
  readonly scale?: number | undefined;
  /** The share of a task vector's elements that `ties` keeps, in (0, 1]. Default: 0.2. */
  readonly density?: number | undefined;
  /** Seed by which the order of the models is drawn, for `opcm`. Default: the order in which they are given. */
  readonly shuffle?: number | undefined;
  /** The element type of merged tensors. Default: that of each tensor of the base. */
  readonly dtype?: 'f32' | 'f16' | 'bf16' | undefined;
  /** The most bytes of tensors in a file; one that is larger has a file of its own. Default: the files of the base. */
  readonly shardSize?: number | undefined;
  /**
   * Patterns of names: only these tensors are merged. `*` is any text within a step of a name, `**` any number of
   * steps, `{a,b}` either text. Default: all.
   */
  readonly only?: readonly string[] | undefined;
  /** Patterns of names of tensors that stay the base's. Default: none. */
  readonly skip?: readonly string[] | undefined;
  /** Device of the computation: an open one, or the name of one to open. Default: `auto`. */
  readonly device?: Device | DeviceKind | 'auto' | `cuda:${number}` | undefined;
  /** The most bytes of memory that a merge may take. Default: 80 % of the machine's memory. */
  readonly memoryLimit?: number | undefined;
  /** Follow symbolic links in the folders, as a download cache has them. Default: `false`. */
  readonly followLinks?: boolean | undefined;
  /** Answer the report of what would be done, and write nothing. Default: `false`. */
  readonly dryRun?: boolean | undefined;
  /** Discard what an earlier run has left, instead of going on. Default: `false`. */
  readonly restart?: boolean | undefined;
}

type Open = 'shuffle' | 'dtype' | 'shardSize' | 'only' | 'skip' | 'signal' | 'onProgress';
/** Options whose defaults depend on the method, or on the machine. */
type Dependent = 'weights' | 'alpha' | 'scale' | 'density' | 'memoryLimit';
type Given = Resolved<MergeOptions, Open | Dependent>;
/** All options, with their defaults; those that the method does not have are undefined. */
export type Settings = Resolved<MergeOptions, Open | Exclude<Dependent, 'memoryLimit'>>;

const isNumber = (x: unknown): x is number => typeof x === 'number' && Number.isFinite(x);

const mostModels = 100;
const models: Option<readonly string[]> = required<readonly string[]>({
  default: [],
  wrong: (x) =>
    isListOf(x, isPath) && x.length > 0 && x.length <= mostModels
      ? undefined
      : `must be 1 to ${mostModels} paths of folders`,
});

const schema: Schema<Given> = {
  base: folder,
  models,
  out: folder,
  method: required(word(mergeMethods, 'average')),
  weights: kind((x) => isListOf(x, isNumber) && x.length > 0, 'a list of finite numbers'),
  alpha: optional(fraction(0.5)),
  scale: optional(finite(1)),
  density: optional(positive(0.2, 1)),
  shuffle: optional(count(0, 0)),
  dtype: optional(word(['f32', 'f16', 'bf16'], 'f32')),
  shardSize: optional(count(1)),
  only: patterns,
  skip: patterns,
  device,
  memoryLimit,
  followLinks: flag(false),
  dryRun: flag(false),
  restart: flag(false),
  ...watchers<MergeProgress>(),
};

/** Options that some methods have, and their defaults there. */
const ownOptions: Readonly<Record<MergeMethod, Readonly<Record<string, number | undefined>>>> = {
  average: { weights: undefined, scale: 1 },
  arithmetic: { weights: undefined, scale: 0.3 },
  ties: { weights: undefined, scale: 1, density: 0.2 },
  opcm: { alpha: 0.5, shuffle: undefined },
};

/** @throws ERR_ARGUMENT for what is unknown, of the wrong kind, out of range, or of another method */
export function settle(op: string, options: MergeOptions): Settings {
  const given = readOptions(op, options, schema);
  const own = ownOptions[given.method];
  for (const name of ['weights', 'alpha', 'scale', 'density', 'shuffle'] as const) {
    if (name in own) continue;
    if (given[name] !== undefined)
      throw refusal(op, name, `be left out for the method ${given.method}`, shown(given[name]));
  }
  const { weights } = given;
  if (weights && weights.length !== given.models.length)
    throw refusal(op, 'weights', `be one a model, ${given.models.length}`, weights.length);
  if (given.method === 'average' && weights && sumOf(weights) === 0)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: weights must not sum to 0, got ${weights.join(', ')}`);
  if (given.method === 'ties' && weights?.every((weight) => weight === 0))
    throw new OrthokitError(
      'ERR_ARGUMENT',
      `${op}: weights must not all be 0 for the method ties, got ${weights.join(', ')}`,
    );
  return {
    ...given,
    weights: 'weights' in own ? (weights ?? given.models.map(() => 1)) : undefined,
    alpha: given.alpha ?? own['alpha'],
    scale: given.scale ?? own['scale'],
    density: given.density ?? own['density'],
    memoryLimit: given.memoryLimit ?? Math.floor(0.8 * os.totalmem()),
  };
}

export function sumOf(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
