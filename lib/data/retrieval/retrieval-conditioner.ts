import * as check from '../../core/check.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { uniforms } from '../../core/philox.ts';
import {
  flag,
  portion,
  readOptions,
  required,
  type Schema,
  type Watchers,
  watchers,
  whole,
  word,
} from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { RetrievalDatabase } from './retrieval-database.ts';

/** Options of {@link RetrievalConditioner}. */
export interface RetrievalConditionerOptions {
  /** Rows of a context: whole, from 1 on. It has no default. */
  k: number;
  /**
   * The context without a condition: `[dim]`, each of its rows, or `[k, dim]`; floating, the caller's, which may learn
   * it. It has no default.
   */
  unconditional: Tensor;
  /** Share of training contexts that `unconditional` replaces: from 0 to 1. Default: 0.1. */
  rate?: number | undefined;
  /** Seed of these draws: whole, from 0 to 2⁵³ − 1. It has no default. */
  seed: number;
  /**
   * A context is the k nearest rows (`none`), the query and k − 1 rows (`first`), or k times the query (`only`).
   * Default: `none`.
   */
  includeQuery?: 'none' | 'first' | 'only' | undefined;
}

/** Options of {@link RetrievalConditioner.context}. */
export interface ContextOptions extends Pick<TaskOptions<never>, 'signal'> {
  /** True: some contexts are replaced by `unconditional`, drawn anew in each call. Default: false. */
  training?: boolean | undefined;
}

/** A batch of contexts. */
export interface RetrievalContext {
  /** `[b, k, dim]` in f32: what conditions each item, as cross-attention takes it; the caller's. */
  readonly context: Tensor<'f32'>;
  /** `[b]`: 1 where `unconditional` stands in the place of what was found. */
  readonly mask: Uint8Array;
  /** The ids of the rows that were found for each query, the nearest first: k of them, k − 1 or none. */
  readonly ids: Int32Array;
}

/** Place of a {@link RetrievalConditioner} in its draws, as JSON keeps it. */
export interface ConditionerState {
  /** The seed, as given. */
  readonly seed: number;
  /** Contexts drawn so far. */
  readonly offset: number;
}

const schema: Schema<{ k: number; rate: number; seed: number; includeQuery: 'none' | 'first' | 'only' }> = {
  k: required(whole(0, 1, 2 ** 20)),
  rate: portion(0.1),
  seed: required(whole(0, 0, Number.MAX_SAFE_INTEGER)),
  includeQuery: word(['none', 'first', 'only'], 'none'),
};
const fullSchema: Schema<{
  k: number;
  rate: number;
  seed: number;
  includeQuery: 'none' | 'first' | 'only';
  unconditional: Tensor | undefined;
}> = { ...schema, unconditional: check.tensorOption };
const contextSchema: Schema<{ training: boolean } & Pick<Watchers<never>, 'signal'>> = {
  training: flag(false),
  signal: watchers<never>().signal,
};

/**
 * Contexts of a semi-parametric generator: for each query its nearest rows of a database as they are, from the nearest
 * on, some of them replaced in training, so that guidance has a model without condition.
 *
 * @example
 * const conditioner = new RetrievalConditioner(db, { k: 4, unconditional, seed: 1 });
 * const { context, mask } = await conditioner.context(embeddings, { training: true });
 *
 * Source: Blattmann et al., "Retrieval-augmented diffusion models", arXiv 2204.11824.
 */
export class RetrievalConditioner {
  #database: RetrievalDatabase;
  readonly #unconditional: Tensor;
  readonly #options: { k: number; rate: number; seed: number; includeQuery: 'none' | 'first' | 'only' };
  #offset = 0;

  /** @throws ERR_ARGUMENT; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for an `unconditional` that does not fit; ERR_DISPOSED */
  constructor(database: RetrievalDatabase, options: RetrievalConditionerOptions) {
    const where = 'RetrievalConditioner';
    check.instance(where, 'database', database, RetrievalDatabase);
    check.alive(where, 'database', database);
    const { unconditional, ...own } = readOptions(where, options, fullSchema);
    const { device, dim } = database;
    check.tensor(where, 'unconditional', unconditional, { dtypes: check.floating, device });
    const shape = String(unconditional.shape);
    if (shape !== String([dim]) && shape !== String([own.k, dim])) {
      const must = `have shape [${dim}] or [${own.k},${dim}]`;
      throw refusal(where, 'unconditional', must, `[${shape}]`, 'ERR_SHAPE');
    }
    this.#database = database;
    this.#unconditional = unconditional;
    this.#options = own;
  }

  /** The database that is searched. */
  get database(): RetrievalDatabase {
    return this.#database;
  }

  /** The place in the draws: a new object each time. */
  get state(): ConditionerState {
    return { seed: this.#options.seed, offset: this.#offset };
  }

  /** Goes on where another one stood. @throws ERR_STATE for another seed, and for what is no state */
  restore(state: ConditionerState): void {
    const { seed, offset } = state ?? {};
    if (seed !== this.#options.seed || !Number.isSafeInteger(offset) || offset < 0)
      throw new OrthokitError('ERR_STATE', 'RetrievalConditioner: state is not one of a conditioner of this seed');
    this.#offset = offset;
  }

  /**
   * Searches another database from now on: a model draws from another domain without training.
   * @throws ERR_SHAPE for rows of another length, ERR_DEVICE, ERR_ARGUMENT, ERR_DISPOSED
   */
  swap(database: RetrievalDatabase): void {
    const where = 'RetrievalConditioner.swap';
    check.instance(where, 'database', database, RetrievalDatabase);
    check.alive(where, 'database', database);
    const { dim, device } = this.#database;
    if (database.dim !== dim) throw refusal(where, 'database', `have rows of ${dim}`, database.dim, 'ERR_SHAPE');
    if (database.device !== device) throw new OrthokitError('ERR_DEVICE', `${where}: database is on another device`);
    this.#database = database;
  }

  /**
   * The contexts of a batch of queries. Draws are used up by the call, even if it fails later.
   *
   * @param queries `[b, dim]`, floating, or as many numbers; copied before the call returns its promise.
   * @throws ERR_ARGUMENT for a database of fewer rows, and as {@link RetrievalDatabase.search}; ERR_DISPOSED,
   * ERR_MEMORY; the signal's reason when aborted
   */
  async context(queries: Tensor | Float32Array, options: ContextOptions = {}): Promise<RetrievalContext> {
    const op = 'RetrievalConditioner.context';
    const { training, signal } = readOptions(op, options, contextSchema);
    signal?.throwIfAborted();
    const database = this.#database;
    const { device, dim } = database;
    const { k, rate, includeQuery } = this.#options;
    check.alive(op, 'unconditional', this.#unconditional);
    using owned = new Owned<Tensor>();
    const x = owned.add(database.copyOf(op, 'queries', queries));
    const unconditional = owned.add(this.#unconditional.cast('f32'));
    const count = x.shape[0]!;
    const mask = this.#draw(count, training ? rate : 0);
    const wanted = { none: k, first: k - 1, only: 0 }[includeQuery];
    using now = await database.hold(op, signal);
    using task = new Task<never>(device, { signal });
    // Rows that are asked for, then the queries, then the context without condition.
    if (wanted === 0) await now.checkQueries(op, task, x);
    const { ids } = wanted > 0 ? await now.find(op, task, x, wanted) : { ids: new Int32Array(0) };
    const plain = this.#unconditional.size / dim;
    const table = owned.add(new Tensor(device, [ids.length + count + plain, dim], 'f32'));
    const rows = owned.add(await now.gather(op, task, ids));
    const upper = owned.add(table.rows(0, ids.length));
    const middle = owned.add(table.rows(ids.length, ids.length + count));
    const lower = owned.add(table.rows(ids.length + count));
    const last = owned.add(unconditional.reshape([plain, dim]));
    ops.copy(device, { x: [rows, x, last], out: [upper, middle, lower] });
    const index = owned.add(
      vectors.index(device, count * k, (at) => {
        const [item, place] = [Math.floor(at / k), at % k];
        if (mask[item] === 1) return ids.length + count + (plain === 1 ? 0 : place);
        if (place < k - wanted) return ids.length + item;
        return item * wanted + place - (k - wanted);
      }),
    );
    const flat = owned.add(new Tensor(device, [count * k, dim], 'f32'));
    ops.gatherRows(device, { x: table, index, out: flat });
    check.alive(op, 'the database', database);
    return { context: flat.reshape([count, k, dim]), mask, ids };
  }

  #draw(count: number, rate: number): Uint8Array {
    const mask = new Uint8Array(count);
    if (rate === 0) return mask;
    for (const [i, share] of uniforms(this.#options.seed, 0, this.#offset, count).entries())
      mask[i] = Number(share < rate);
    this.#offset += count;
    return mask;
  }
}
