// Multiplications from the shapes of weights: of a step, and of a window that is read anew.

/** @import { Tensor } from 'orthokit' */

/** The work of one stream. @param {{ layers: readonly { weight: Tensor }[], head: { weight: Tensor } }} model @param {number} receptiveField places of a window */
export function ofDetector({ layers, head }, receptiveField) {
  const byStep = [...layers, head].reduce((sum, { weight }) => sum + weight.size, 0);
  return { byStep, byWindow: byStep * receptiveField };
}

/** The work for the last letter of a context: its matrices, its logits, and attention to all letters; with a ring once, else for each letter. @param {{ width: number, blocks: number, context: number, letters: number }} options */
export function ofGpt({ width, blocks, context, letters }) {
  const [matrices, attention] = [12 * width ** 2 * blocks + width * letters, 2 * context * width * blocks];
  return { byRing: matrices + attention, byWindow: context * (matrices + attention) };
}
