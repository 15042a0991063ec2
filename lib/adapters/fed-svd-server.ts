import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { count, type Resolved, readOptions, type Schema } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { checkFactors, checkFinite, type LoraFactors, refactored } from './factors/factors.ts';

/** Options of {@link FedSvdServer}; all may be left out. */
export interface FedSvdServerOptions {
  /** Rounds from one factorization to the next: whole, from 1 on. Default: 1. */
  readonly period?: number | undefined;
  /** Rounds before the first period: whole, from 0 on. Default: 0. */
  readonly warmup?: number | undefined;
}

/** The answer of one client after a round. */
export interface ClientUpdate {
  /** Changes of the b of each layer, `[out, rank]`, in the order of the layers. */
  readonly updates: readonly Tensor[];
  /** Its share, such as its number of samples: not negative. */
  readonly weight: number;
}

/** The result of {@link FedSvdServer.aggregate}. */
export interface AggregatedRound {
  /** Rounds so far, this one included. */
  readonly round: number;
  /** Singular values of b·a of each layer, descending; absent in a round without a factorization. */
  readonly singularValues?: readonly Float64Array[];
}

const schema: Schema<Resolved<FedSvdServerOptions>> = { period: count(1), warmup: count(0, 0) };

/**
 * The server of federated training of adapters: clients have one a, train b alone and send what they added to it; the
 * server takes the weighted mean of that. After rounds warmup + period, warmup + 2 · period and so on each layer is
 * factored anew ({@link refactorLora}), which gives a orthonormal rows in the order of what was learnt; their
 * space stays, as b alone is trained. Frozen weights and clients, in worker threads or elsewhere, are the caller's
 * affair.
 *
 * With orthonormal rows of a, a gradient by b is no longer than that by the product, and noise on b enters the product
 * once: that is what makes {@link dpClipAndNoise} mild here.
 *
 * Source: FedSVD, arXiv 2505.12805.
 *
 * @example
 * const server = new FedSvdServer([{ a, b }], { period: 1 });
 * for (let round = 0; round < 100; ++round)
 *   await server.aggregate(await Promise.all(clients.map((client) => client.train(server.layers))));
 */
export class FedSvdServer {
  /** The device of all tensors. */
  readonly device: Device;
  /**
   * The factors as they are after the last round: the server's own tensors, the same ones in all rounds. They may stand
   * in a model, and must not be written to while a round is aggregated.
   */
  readonly layers: readonly LoraFactors[];
  readonly #options: { readonly period: number; readonly warmup: number };
  readonly #owned: Owned<Tensor>;
  #round = 0;
  #disposed = false;
  /** Rounds are aggregated one after the other, whoever calls. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param layers a `[rank, in]` and b `[out, rank]` of each, all f32 or all f64, on one device; they are copied
   * @throws ERR_ARGUMENT for options and no layers; ERR_SHAPE for factors that do not fit, are empty, or have a rank
   * above the smaller side; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY
   */
  constructor(layers: readonly LoraFactors[], options: FedSvdServerOptions = {}) {
    const where = 'FedSvdServer';
    if (!Array.isArray(layers) || layers.length === 0)
      throw refusal(where, 'layers', 'be a list of factors', Array.isArray(layers) ? 'an empty one' : shown(layers));
    this.#options = readOptions(where, options, schema);
    for (const [i, layer] of (layers as readonly unknown[]).entries()) {
      if (!isRecord(layer)) throw refusal(where, `layers[${i}]`, 'be an object', shown(layer));
      checkFactors({ where, within: `layers[${i}].` }, layer as unknown as LoraFactors, layers[0]!.a.device);
    }
    this.device = layers[0]!.a.device;
    using owned = new Owned<Tensor>();
    this.layers = Object.freeze(
      layers.map(({ a, b }) => Object.freeze({ a: owned.add(a.copy()), b: owned.add(b.copy()) })),
    );
    this.#owned = owned.move();
  }

  /** Rounds that have been aggregated. */
  get round(): number {
    return this.#round;
  }

  /** True once {@link FedSvdServer.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Ends a round: b of each layer becomes b + Σ weight · update / Σ weight, and is factored where the round asks for
   * it. If it fails, all is as it was before.
   *
   * @throws ERR_ARGUMENT for no clients, weights that are negative, not finite or sum to 0, another number of updates
   * than layers, NaN and infinity in them, and a result beyond the dtype; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
   * ERR_DISPOSED; ERR_MEMORY
   */
  async aggregate(clients: readonly ClientUpdate[]): Promise<AggregatedRound> {
    const where = 'FedSvdServer.aggregate';
    check.alive(where, 'server', this);
    const shares = this.#sharesOf(where, clients);
    using owned = new Owned<Tensor>();
    const squares = owned.add(new Tensor(this.device, [clients.length * this.layers.length], 'f64'));
    vectors.dots(
      this.device,
      clients.flatMap(({ updates }) => updates.map((update) => [update, update] as const)),
      squares,
    );
    // As they are now, even where another round is aggregated first.
    const means = this.layers.map(({ b }, layer) => {
      const mean = owned.add(new Tensor(this.device, b.shape, b.dtype));
      vectors.combine(this.device, mean, ...clients.map(({ updates }, i) => [shares[i]!, updates[layer]!] as const));
      return mean;
    });
    const found = await squares.read();
    const wrong = found.findIndex((square) => !Number.isFinite(square));
    if (wrong >= 0) {
      const name = `clients[${Math.floor(wrong / this.layers.length)}].updates[${wrong % this.layers.length}]`;
      throw refusal(where, name, 'be finite', 'NaN or infinity, or a norm beyond f64');
    }
    const turn = this.#last.then(() => this.#end(where, means));
    this.#last = turn.catch(() => {});
    return await turn;
  }

  /** The share of each client in the mean. */
  #sharesOf(where: string, clients: readonly ClientUpdate[]): number[] {
    if (!Array.isArray(clients) || clients.length === 0)
      throw refusal(where, 'clients', 'be a list of updates', Array.isArray(clients) ? 'an empty one' : shown(clients));
    let sum = 0;
    for (const [i, client] of (clients as readonly ClientUpdate[]).entries()) {
      if (!isRecord(client)) throw refusal(where, `clients[${i}]`, 'be an object', shown(client));
      const { updates, weight } = client;
      if (!(typeof weight === 'number' && weight >= 0 && weight < Infinity))
        throw refusal(where, `clients[${i}].weight`, 'be finite and not negative', shown(weight));
      if (!Array.isArray(updates) || updates.length !== this.layers.length) {
        const got = Array.isArray(updates) ? updates.length : shown(updates);
        throw refusal(where, `clients[${i}].updates`, `be a list of ${this.layers.length}, one a layer`, got);
      }
      for (const [layer, { b }] of this.layers.entries())
        check.tensor(where, `clients[${i}].updates[${layer}]`, updates[layer], {
          dtypes: [b.dtype as 'f32'],
          shape: b.shape,
          device: this.device,
        });
      sum += weight;
    }
    if (!(sum > 0 && sum < Infinity)) throw refusal(where, 'weights', 'have a sum above 0, and finite', sum);
    return clients.map(({ weight }) => weight / sum);
  }

  async #end(where: string, means: readonly Tensor[]): Promise<AggregatedRound> {
    check.alive(where, 'server', this);
    const round = this.#round + 1;
    const { period, warmup } = this.#options;
    const isFactored = round > warmup && (round - warmup) % period === 0;
    using owned = new Owned<Tensor>();
    const next: LoraFactors[] = [];
    const singularValues: Float64Array[] = [];
    for (const [i, { a, b }] of this.layers.entries()) {
      const sum = owned.add(new Tensor(this.device, b.shape, b.dtype));
      vectors.combine(this.device, sum, [1, b], [1, means[i]!]);
      if (!isFactored) next.push({ a, b: sum });
      else {
        const { singularValues: own, ...factors } = await refactored({ where, within: `layers[${i}].` }, { a, b: sum });
        owned.add(factors.a);
        owned.add(factors.b);
        next.push(factors);
        singularValues.push(own);
        check.alive(where, 'server', this);
      }
    }
    if (!isFactored) await checkFinite(where, next.map(({ b }, i) => [`layers[${i}].b`, b])); // biome-ignore format: one line
    check.alive(where, 'server', this);
    for (const [i, { a, b }] of next.entries()) {
      vectors.copy(this.device, b, this.layers[i]!.b);
      if (isFactored) vectors.copy(this.device, a, this.layers[i]!.a);
    }
    this.#round = round;
    return { round, ...(isFactored && { singularValues }) };
  }

  /** Gives the memory of the layers back; later use throws `ERR_DISPOSED`. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
  }

  /** Disposes: `using server = new FedSvdServer(layers)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
