import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { checkValues, type Schema, word } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';

/** Answer of a step to NaN or infinity in a gradient. */
export type NonFinite = 'propagate' | 'skip' | 'throw';

const schema: Schema<{ nonFinite: NonFinite }> = { nonFinite: word(['propagate', 'skip', 'throw'], 'propagate') };

/** Its name in a checkpoint. */
export const skippedName = 'skipped';

/** Holds a step back, on the device, when a gradient is not finite. */
export class Guard {
  readonly mode: NonFinite;
  readonly #device: Device;
  readonly #guard: Tensor | undefined;
  readonly #skipped: Tensor | undefined;

  constructor(where: string, mode: NonFinite, device: Device) {
    checkValues(where, { nonFinite: mode }, schema);
    this.mode = mode;
    this.#device = device;
    if (mode === 'propagate') return;
    this.#guard = Tensor.zeros(device, [1], { dtype: 'f64' });
    this.#skipped = Tensor.zeros(device, [1], { dtype: 'f64' });
  }

  /** Queues the look at all gradients of a step. */
  examine(grads: readonly (Tensor | null)[]): void {
    if (!this.#guard || !this.#skipped || this.mode === 'propagate') return;
    const x = grads.filter((grad) => grad !== null);
    ops.checkFinite(this.#device, { x, guard: this.#guard, skipped: this.#skipped, action: this.mode });
  }

  /** The field of a step's op. */
  field(): { guard?: Tensor } {
    return this.#guard ? { guard: this.#guard } : {};
  }

  /** State of a checkpoint. */
  tensors(): [string, Tensor][] {
    return this.#skipped ? [[skippedName, this.#skipped]] : [];
  }

  /** Number of tensors that were not finite in the last step, and of steps skipped so far. */
  async read(): Promise<{ nonFinite: number; skipped: number } | undefined> {
    if (!this.#guard || !this.#skipped) return undefined;
    const [guard, skipped] = await Promise.all([this.#guard.read(), this.#skipped.read()]);
    return { nonFinite: guard[0]!, skipped: skipped[0]! };
  }

  dispose(): void {
    this.#guard?.dispose();
    this.#skipped?.dispose();
  }
}
