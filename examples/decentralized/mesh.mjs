// A graph that looks the same from everywhere: a ring and random rings over the same nodes, so that information needs few edges.
import { shuffledBatches } from '../digits/data.mjs';

/**
 * Edges in which each node has about `neighbours`.
 *
 * @param {number} nodes @param {number} neighbours even @param {number} seed @returns {[number, number][]}
 */
export function meshOf(nodes, neighbours, seed) {
  const rings = Math.max(1, Math.floor(neighbours / 2));
  /** @type {Int32Array[]} */
  const orders = [Int32Array.from({ length: nodes }, (_, i) => i)];
  for (const [order] of shuffledBatches({ count: nodes, epochs: rings - 1, batchSize: nodes, seed }))
    orders.push(order);
  /** @type {Map<number, [number, number]>} */
  const edges = new Map();
  for (const order of orders)
    for (let k = 0; k < nodes; ++k) {
      const [i, j] = [order[k], order[(k + 1) % nodes]];
      if (i !== j) edges.set(Math.min(i, j) * nodes + Math.max(i, j), [Math.min(i, j), Math.max(i, j)]);
    }
  return [...edges.values()];
}
