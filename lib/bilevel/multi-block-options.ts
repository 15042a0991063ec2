import { refusal, shown } from '../core/errors.ts';
import {
  count,
  type Option,
  optional,
  positive,
  type Resolved,
  required,
  type Schema,
  whole,
  word,
} from '../core/schema.ts';

/** Options of {@link MultiBlockBilevel}. */
export interface MultiBlockBilevelOptions {
  /**
   * `'v1'` keeps the Hessians of all blocks and their inverses, for small ones; `'v2'` a vector for each, which follows
   * the solution of its linear system by products. It has no default.
   */
  variant: 'v1' | 'v2';
  /** Blocks that a step takes: whole, from 1 to their number. It has no default. */
  blocksPerStep: number;
  /** α, the share of the new in the trackers of blocks: in (0, 1]. It has no default. */
  alpha: number;
  /** β, the same for the hypergradient: in (0, 1]. It has no default. */
  beta: number;
  /**
   * γ, the weight of the change between two points in trackers: finite, not negative. `'msvr'`:
   * (m − I) / (I (1 − α)) + 1 − α for m blocks of which steps take I, which asks for α below 1 where I < m. Default:
   * `'msvr'`.
   */
  gamma?: 'msvr' | number | undefined;
  /** η, the step size of x: positive. It has no default. */
  lr: number;
  /** τ, the step size of y: positive. About 1 / ((1 + γ) L) at most. It has no default. */
  lowerLr: number;
  /** The step size of the vectors of `'v2'`: positive. Default: `lowerLr`. */
  vLr?: number | undefined;
  /** Eigenvalues of the Hessians of `'v1'` count as this at least: positive. Default: 1e-5. */
  hessianFloor?: number | undefined;
  /** The vectors of `'v2'` are this long at most: positive. Default: Infinity. */
  vBound?: number | undefined;
  /**
   * `'all'`: each step moves all of y; `'lazy'`: a block is moved when a step takes it, by all that it has missed,
   * which leads to the same and costs what is sampled. Default: `'lazy'`.
   */
  updates?: 'all' | 'lazy' | undefined;
  /** L: ∇_y g is L-Lipschitz; positive. With it a `lowerLr` that is too large is warned of. Default: unknown. */
  lipschitz?: number | undefined;
  /** Seed of the order of blocks: whole, from 0 to 2³² − 1. It has no default. */
  seed: number;
}

export type Given = Resolved<MultiBlockBilevelOptions, 'vLr' | 'hessianFloor' | 'vBound' | 'lipschitz'>;

const portion: Option<number> = {
  default: undefined as unknown as number,
  wrong: (x) => (typeof x === 'number' && x > 0 && x <= 1 ? undefined : 'must be in (0, 1]'),
};
export const schema: Schema<Given> = {
  variant: required(word<'v1' | 'v2'>(['v1', 'v2'], 'v2')),
  blocksPerStep: required(count(1)),
  alpha: portion,
  beta: portion,
  gamma: {
    default: 'msvr',
    wrong: (x) =>
      x === 'msvr' || (typeof x === 'number' && x >= 0 && x < Infinity)
        ? undefined
        : "must be 'msvr' or finite and not negative",
  },
  lr: required(positive(1)),
  lowerLr: required(positive(1)),
  vLr: optional(positive(1)),
  hessianFloor: optional(positive(1)),
  vBound: {
    default: undefined,
    wrong: (x) => (x === undefined || (typeof x === 'number' && x > 0) ? undefined : 'must be a positive number or Infinity'), // biome-ignore format: one line
  },
  updates: word<'all' | 'lazy'>(['all', 'lazy'], 'lazy'),
  lipschitz: optional(positive(1)),
  seed: required(whole(0, 0, 2 ** 32 - 1)),
};

/** @throws ERR_ARGUMENT for options of the other variant */
export function checkVariant(where: string, { variant, vLr, vBound, hessianFloor }: Given): void {
  const foreign = variant === 'v1' ? { vLr, vBound } : { hessianFloor };
  for (const [name, value] of Object.entries(foreign))
    if (value !== undefined) throw refusal(where, name, `be left out for variant '${variant}'`, shown(value));
}
