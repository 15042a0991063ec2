import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { isRecord } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import { kind, readOptions, type Schema } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { type AssignMap, type Placed, type Target, targetsOf } from './assign-targets.ts';

/** Options of {@link assign}. */
export interface AssignOptions {
  /**
   * The place of a tensor of the file. `permute` turns it: `[1, 0]` for products that GPT-2 stores `[in, out]`,
   * `[0, 2, 3, 1]` for PyTorch's kernels; `rows` puts separate q, k and v into one qkv, `rope` moves rows of
   * heads to the other layout. `null` leaves it out. Default: to the path that is its name.
   */
  map?: AssignMap | undefined;
}

const where = 'nn.assign';
const schema: Schema<{ map: AssignMap | undefined }> = { map: kind((x) => typeof x === 'function', 'a function') };

/** Tensors that are written, and from what; those of another dtype are cast. */
class Copies {
  readonly #owned = new Owned<Tensor>();
  readonly #copy = { out: [] as Tensor[], x: [] as Tensor[] };
  readonly #cast = { out: [] as Tensor[], x: [] as Tensor[] };

  add(target: Tensor, placed: readonly Placed[]): void {
    for (const { tensor, permute, rope, rows } of placed) {
      const turned = permute ? this.#permuted(tensor, permute) : tensor;
      const x = rope ? this.#moved(turned, rope) : turned;
      const lists = x.dtype === target.dtype ? this.#copy : this.#cast;
      lists.out.push(rows ? this.#owned.add(target.rows(...rows)) : target);
      lists.x.push(x);
    }
  }

  #permuted(x: Tensor, axes: readonly number[]): Tensor {
    const shape = axes.map((axis) => x.shape[axis]!);
    const out = this.#owned.add(new Tensor(x.device, shape, x.dtype));
    ops.rearrange(x.device, { x, out, axes });
    return out;
  }

  /** Rows [heads, pairs, 2] as [heads, 2, pairs], or back. */
  #moved(x: Tensor, { heads, to }: NonNullable<Placed['rope']>): Tensor {
    const [rows = 1, ...row] = x.shape;
    const pairs = rows / heads / 2;
    const sides = to === 'halves' ? [heads, pairs, 2] : [heads, 2, pairs];
    const size = row.reduce((a, b) => a * b, 1);
    const apart = this.#owned.add(x.reshape([...sides, size]));
    return this.#owned.add(this.#permuted(apart, [0, 2, 1, 3]).reshape(x.shape));
  }

  run(): void {
    const [first] = [...this.#copy.out, ...this.#cast.out];
    if (this.#copy.out.length > 0) ops.copy(first!.device, this.#copy);
    if (this.#cast.out.length > 0) ops.cast(first!.device, this.#cast);
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** The bytes of a tensor of the model, as one of its paths would have them. */
async function bytesOf(target: Tensor, placed: readonly Placed[]): Promise<Buffer> {
  using copies = new Copies();
  const like = new Tensor(target.device, target.shape, target.dtype);
  try {
    copies.add(like, placed);
    copies.run();
    return Buffer.from((await like.read()).buffer);
  } finally {
    like.dispose();
  }
}

/** @throws ERR_STATE unless all paths of the tensor are given the same */
async function checkTie({ target, given: [first, ...others] }: Target): Promise<void> {
  if (others.length === 0) return;
  const bytes = await bytesOf(target, first!);
  for (const other of others)
    if (!bytes.equals(await bytesOf(target, other))) {
      const must = `be what is given for ${first![0]!.name}, with which it is tied`;
      throw refusal(where, other[0]!.name, must, 'another tensor', 'ERR_STATE');
    }
}

/**
 * Copies tensors, such as those of a file, into a model: each into the tensor whose path is its name, or where `map`
 * says. All of the model are given, and nothing else; floating dtypes are converted. Of tied tensors one path is
 * enough, and of two both are equal. What does not fit is found before anything is copied. It is awaited, as tied
 * tensors are read back to be compared.
 *
 * @param tensors Tensors by name, on the device of the model, as `loadTensors` gives them.
 * @example
 * // GPT-2 stores products [in, out], and masks.
 * const isTurned = (name, shape) => /c_attn|c_proj|c_fc/.test(name) && shape.length === 2;
 * await nn.assign(model, await loadTensors('model.safetensors', device), {
 *   map: (name, { shape }) =>
 *     name.endsWith('.attn.bias') ? null : { name, ...(isTurned(name, shape) && { permute: [1, 0] }) },
 * });
 *
 * @throws ERR_STATE for tensors that are missing, left over or of another shape, with counts, the first five of each
 * and names that are near, and for tied tensors that differ; ERR_ARGUMENT for what is no model, tensor, option or
 * place; ERR_DEVICE; ERR_DISPOSED; what `map` throws
 */
export async function assign(
  model: object,
  tensors: Readonly<Record<string, Tensor>>,
  options: AssignOptions = {},
): Promise<void> {
  const { map = (name: string) => name } = readOptions(where, options, schema);
  if (!isRecord(tensors)) throw refusal(where, 'tensors', 'be an object', shown(tensors));
  const targets = targetsOf(where, model, tensors, map);
  for (const target of targets) await checkTie(target);
  using copies = new Copies();
  for (const { target, given } of targets) {
    check.alive(where, given[0]![0]!.name, target);
    copies.add(target, given[0]!);
  }
  copies.run();
}
