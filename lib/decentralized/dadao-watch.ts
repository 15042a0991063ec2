import type { Device } from '../core/device.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { DadaoNode } from './dadao-node.ts';

/** The numbers of a simulation's state, which has the vectors of its nodes besides. */
export interface Standing {
  time: number;
  gradients: number;
  communications: number;
  /** The time of the event that comes next, or 0. */
  due: number;
  /** Uniform numbers so far. */
  used: number;
  /** The time of each node's last event. */
  times: readonly number[];
}

/** Gradients whose lengths are looked at together. */
const most = 2048;

/**
 * Looks at the lengths of states and gradients, many at a time; where one is not finite, all goes back to where it
 * stood at the last look.
 */
export class DadaoWatch {
  readonly #device: Device;
  readonly #nodes: readonly DadaoNode[];
  readonly #sizes: Tensor;
  readonly #places: readonly Tensor[];
  readonly #simulation: { standing(): Standing; goBack(to: Standing): void };
  /** The vectors of all nodes, and the rest, at the last look. */
  readonly #kept: readonly Tensor[];
  #standing: Standing;
  /** Nodes that have moved since. */
  readonly #moved = new Set<number>();
  #events: { node: number; time: number }[] = [];

  constructor(
    device: Device,
    nodes: readonly DadaoNode[],
    owned: Owned<Tensor>,
    simulation: { standing(): Standing; goBack(to: Standing): void },
  ) {
    [this.#device, this.#nodes, this.#simulation] = [device, nodes, simulation];
    this.#sizes = owned.add(Tensor.zeros(device, [2 * most], { dtype: 'f64' }));
    this.#places = Array.from({ length: most }, (_, i) => owned.add(this.#sizes.rows(2 * i, 2 * i + 2)));
    const now = nodes.map((node) => node.vectors);
    this.#kept = vectors.like(now, owned);
    vectors.copy(device, now, this.#kept);
    this.#standing = simulation.standing();
  }

  /** True where a look has to come before the next event. */
  get isFull(): boolean {
    return this.#events.length === most;
  }

  /** The place of the next event's two lengths, of the state before it and of the gradient. */
  place(node: number, time: number): Tensor {
    this.#events.push({ node, time });
    return this.#places[this.#events.length - 1]!;
  }

  hasMoved(node: number): void {
    this.#moved.add(node);
  }

  /** @throws ERR_ARGUMENT for the first state or gradient that was not finite, all being as at the last look */
  async look(where: string): Promise<void> {
    const events = this.#events;
    this.#events = [];
    const sizes = events.length > 0 ? await this.#sizes.read() : [];
    if (this.#nodes.some(({ stateBytes }) => stateBytes === 0)) return;
    const now = [...this.#moved].map((i) => this.#nodes[i]!.vectors);
    const kept = [...this.#moved].map((i) => this.#kept[i]!);
    this.#moved.clear();
    const bad = events.findIndex((_, i) => !Number.isFinite(Number(sizes[2 * i]) + Number(sizes[2 * i + 1])));
    if (bad < 0) {
      if (now.length > 0) ops.copy(this.#device, { x: now, out: kept });
      this.#standing = this.#simulation.standing();
      return;
    }
    if (now.length > 0) ops.copy(this.#device, { x: kept, out: now });
    this.#simulation.goBack(this.#standing);
    const { node, time } = events[bad]!;
    const field = Number.isFinite(sizes[2 * bad])
      ? `functions[${node}].gradient at time ${time}`
      : `the state of node ${node} before time ${time}`;
    throw refusal(where, field, 'be finite', 'NaN or infinity');
  }
}
