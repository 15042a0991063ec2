import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { count, optional, type Resolved, readOptions, type Schema } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { inBatches } from './batches.ts';
import { SparseCode } from './code.ts';
import { checkNorms } from './dictionary.ts';
import { atomsOf, limitsOf, type PursuitOptions, type PursuitProgress, pursuitSchema } from './options.ts';
import { batchSizeOf } from './strategy.ts';

/** Options of {@link ompGram}. */
export interface OmpGramOptions extends PursuitOptions {
  /** |y|² of each signal, `[B]` f64: for a tolerance and for residuals, which are NaN without them. Default: none. */
  energies?: Tensor | undefined;
  /** Signals at once: whole, from 1 on. Results do not depend on it. Default: chosen from the sizes. */
  batchSize?: number | undefined;
}

const schema: Schema<Resolved<OmpGramOptions, 'k' | 'signal' | 'onProgress' | 'energies' | 'batchSize'>> = {
  ...pursuitSchema,
  energies: check.tensorOption,
  batchSize: optional(count(1)),
};

/** The diagonal is gathered by a 32-bit index. */
const mostAtoms = 46340;

/**
 * Orthogonal matching pursuit from products alone: the Gram matrix D Dᵀ `[N, N]` of the atoms, and the correlations of
 * each signal with them, `[B, N]`, both f32 or f64. What scikit-learn's `orthogonal_mp_gram` computes for atoms of norm
 * 1; here they may have any. Products alone do not tell small residuals: the square of one, |y|² − |z|², is off by up
 * to ε (|y| + Σ |wⱼ| |dⱼ|)², where ε is 2⁻²⁴ in f32 and 2⁻⁵³ in f64. The sum is some |y| for atoms at angles, where
 * residuals end at 1e-3 |y| and 1e-7 |y|; it grows with the condition of the chosen atoms where they are alike. A
 * tolerance below that may be met a step early or late. {@link omp} measures its residuals.
 *
 * @example
 * using code = await ompGram(gram, correlations, { k: 8, energies });
 *
 * @throws ERR_ARGUMENT for options, k < 1 or k > N, numbers that are not finite, and a tolerance without energies;
 * ERR_SHAPE, ERR_DTYPE and ERR_DEVICE for tensors that do not fit; ERR_MEMORY; ERR_DISPOSED; the signal's reason when
 * aborted
 */
export async function ompGram(gram: Tensor, correlations: Tensor, options: OmpGramOptions = {}): Promise<SparseCode> {
  const where = 'ompGram';
  const given = readOptions(where, options, schema);
  check.tensor(where, 'gram', gram, { dtypes: check.arithmetic, rank: 2 });
  const { device } = gram;
  const dtype = gram.dtype as 'f32' | 'f64';
  const [size = 0, columns = 0] = gram.shape;
  if (columns !== size) throw refusal(where, 'gram', 'be square', `[${gram.shape}]`, 'ERR_SHAPE');
  if (size > mostAtoms) throw refusal(where, 'gram', `have at most ${mostAtoms} rows`, size, 'ERR_SHAPE');
  check.tensor(where, 'correlations', correlations, {
    dtypes: [dtype],
    shape: [undefined, size],
    shapeIs: `have a column an atom, ${size}`,
    device,
  });
  const signals = correlations.shape[0]!;
  if (given.energies)
    check.tensor(where, 'energies', given.energies, {
      dtypes: ['f64'],
      shape: [signals],
      shapeIs: `have one element a signal, ${signals}`,
      device,
    });
  else if (given.tol > 0 || given.relTol > 0) throw refusal(where, 'energies', 'be given with a tolerance', 'none');
  const k = atomsOf(where, given.k, size, size);

  using task = new Task<PursuitProgress>(device, given);
  using guard = new Tensor(device, [1], 'f64');
  ops.checkFinite(task.queue, { x: [gram, correlations], guard });
  using squares = diagonalOf(gram);
  const [diagonal, marks] = await task.readAll(squares, guard);
  if (marks[0] !== 0) throw refusal(where, 'gram and correlations', 'be finite', 'others');
  checkNorms(where, 'gram', diagonal, dtype);
  const inverses = diagonal.map((square) => (square > 0 ? 1 / Math.sqrt(square) : 0));
  using scales =
    given.select === 'unit'
      ? Tensor.from(device, dtype === 'f32' ? new Float32Array(inverses) : inverses, [size])
      : undefined;
  using none = given.energies ? undefined : new Tensor(device, [signals], 'f64');
  const code = new SparseCode(device, signals, k, size, dtype);
  const batchSize = given.batchSize ?? batchSizeOf(device.kind, dtype, size, k);
  const work = { signals: correlations, energies: given.energies ?? none!, code, batchSize };
  return await inBatches(task, work, ({ signals: correlations, energies, code: part }) => {
    const { indices, coefficients, residuals, counts } = part;
    ops.gramPursuit(task.queue, {
      ...{ correlations, gram, squares, scales, energies: given.energies && energies },
      ...{ indices, coefficients, residualNorms: residuals, counts },
      ...limitsOf(given, dtype, size),
    });
  });
}

function diagonalOf(gram: Tensor): Tensor<'f64'> {
  const { device, dtype } = gram;
  const size = gram.shape[0]!;
  using flat = gram.reshape([size * size]);
  using index = vectors.index(device, size, (i) => i * (size + 1));
  using out = new Tensor(device, [size], dtype);
  ops.gatherRows(device, { x: flat, index, out });
  return out.cast('f64');
}
