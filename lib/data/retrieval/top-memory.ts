import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { uniforms } from '../../core/philox.ts';
import { flag, type Option, readOptions, required, type Schema, whole } from '../../core/schema.ts';
import { checkIds } from '../rows/ids.ts';

/** Options of {@link TopMemory}. */
export interface TopMemoryOptions {
  /** Seed of the draws: whole, from 0 to 2⁵³ − 1. It has no default. */
  seed: number;
}

/** Options of {@link TopMemory.sample}. */
export interface TopSampleOptions {
  /**
   * The ids recorded most often that take part: their count from 1 on, or a share of all different ids,
   * above 0 and below 1, which is rounded down to at least one id. More than there are: all. It has no default.
   */
  size: number;
  /** True: an id is drawn in proportion to how often it was recorded; false: all are alike. Default: false. */
  weighted?: boolean | undefined;
}

/** A {@link TopMemory} in values that JSON keeps. */
export interface TopMemoryState {
  /** The seed, as given. */
  readonly seed: number;
  /** Numbers drawn so far. */
  readonly offset: number;
  /** The different ids, ascending. */
  readonly ids: readonly number[];
  /** The number of times that each of them was recorded. */
  readonly counts: readonly number[];
}

const isShareOrCount = (x: unknown): x is number =>
  typeof x === 'number' && x > 0 && (x < 1 || Number.isSafeInteger(x));
const size: Option<number> = {
  default: undefined as never,
  wrong: (x) => (isShareOrCount(x) ? undefined : 'must be a whole number from 1 on or a share between 0 and 1'),
};
const schema: Schema<TopMemoryOptions> = { seed: required(whole(0, 0, Number.MAX_SAFE_INTEGER)) };
const sampleSchema: Schema<{ size: number; weighted: boolean }> = { size, weighted: flag(false) };

/** Draws of one call, which holds the event loop for some tens of milliseconds. */
const mostDraws = 2 ** 16;
/** Not that of a `RetrievalConditioner`, which may have the same seed. */
const streamOfDraws = 1;

/**
 * The number of times that each id was found in training, and pseudo-queries drawn from those found most often: a
 * semi-parametric generator samples by it without a condition.
 *
 * @example
 * const memory = new TopMemory({ seed: 1 });
 * memory.record(Int32Array.of(7, 3, 7));
 * memory.sample(4, { size: 1 }); // Int32Array [7, 7, 7, 7]
 *
 * Source: Blattmann et al., "Retrieval-augmented diffusion models", arXiv 2204.11824, section 3.
 */
export class TopMemory {
  readonly #seed: number;
  #offset = 0;
  readonly #counts = new Map<number, number>();
  /** Ids and counts, those recorded most often first, of equal ones the lower id; none while it is not known. */
  #order: readonly (readonly [id: number, count: number])[] | undefined;

  /** @throws ERR_ARGUMENT without a seed, or for one out of range */
  constructor(options: TopMemoryOptions) {
    this.#seed = readOptions('TopMemory', options, schema).seed;
  }

  /** Goes on where the other one stood. @throws ERR_STATE for what cannot be a state */
  static restore(state: TopMemoryState): TopMemory {
    const { seed, offset, ids, counts } = state ?? {};
    const isCount = (x: unknown, least: number): boolean => Number.isSafeInteger(x) && (x as number) >= least;
    const fits =
      isCount(seed, 0) &&
      isCount(offset, 0) &&
      Array.isArray(ids) &&
      Array.isArray(counts) &&
      ids.length === counts.length &&
      ids.every((id, i) => isCount(id, 0) && id < 2 ** 31 && (i === 0 || id > ids[i - 1])) &&
      counts.every((count) => isCount(count, 1));
    if (!fits) throw new OrthokitError('ERR_STATE', 'TopMemory: state is not one of a memory');
    const memory = new TopMemory({ seed });
    memory.#offset = offset;
    for (const [i, id] of ids.entries()) memory.#counts.set(id, counts[i]!);
    return memory;
  }

  /** The present state: a new object each time. */
  get state(): TopMemoryState {
    const entries = [...this.#counts].sort(([a], [b]) => a - b);
    return {
      seed: this.#seed,
      offset: this.#offset,
      ids: entries.map(([id]) => id),
      counts: entries.map(([, count]) => count),
    };
  }

  /** Number of different ids that were recorded. */
  get size(): number {
    return this.#counts.size;
  }

  /** The number of times that an id was recorded. */
  count(id: number): number {
    return this.#counts.get(id) ?? 0;
  }

  /** Counts each of the ids once more, such as those of a search. @throws ERR_ARGUMENT for what is no id */
  record(ids: Int32Array): void {
    checkIds('TopMemory.record', ids);
    for (const id of ids) this.#counts.set(id, this.count(id) + 1);
    this.#order = undefined;
  }

  /**
   * `n` ids, each drawn anew from those recorded most often: of equal counts the lower ids. Several calls draw what one
   * would.
   * @param n whole, from 0 to 2¹⁶: the draws are made before the call returns
   * @throws ERR_ARGUMENT for numbers out of range, and while nothing has been recorded
   */
  sample(n: number, options: TopSampleOptions): Int32Array {
    const op = 'TopMemory.sample';
    if (!Number.isInteger(n) || n < 0 || n > mostDraws)
      throw refusal(op, 'n', `be a whole number from 0 to ${mostDraws}`, shown(n));
    const { size, weighted } = readOptions(op, options, sampleSchema);
    if (this.size === 0) throw refusal(op, 'memory', 'have recorded ids', 'none');
    this.#order ??= [...this.#counts].sort(([a, x], [b, y]) => y - x || a - b);
    const most = size < 1 ? Math.max(1, Math.floor(size * this.size)) : Math.min(size, this.size);
    const ends = new Float64Array(most);
    let total = 0;
    for (let i = 0; i < most; ++i) {
      total += weighted ? this.#order[i]![1] : 1;
      ends[i] = total;
    }
    const drawn = new Int32Array(n);
    for (const [i, share] of uniforms(this.#seed, streamOfDraws, this.#offset, n).entries())
      drawn[i] = this.#order[firstAbove(ends, share * total)]![0];
    this.#offset += n;
    return drawn;
  }
}

/** The place of the first of ascending numbers that is above x, and there is one. */
function firstAbove(ascending: Float64Array, x: number): number {
  let [low, high] = [0, ascending.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! > x) high = middle;
    else low = middle + 1;
  }
  return low;
}
