import { abortable } from '../core/abortable.ts';
import { OrthokitError } from '../core/errors.ts';
import { Lane } from '../core/lane.ts';
import { ops } from '../core/native-ops.ts';
import { shown } from '../core/options.ts';
import type { Schema } from '../core/schema.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import { inBatches } from './batches.ts';
import { SparseCode } from './code.ts';
import { checkMatrix, checkNorms } from './dictionary.ts';
import {
  atomsOf,
  count,
  dependence,
  floorOf,
  type PursuitOptions,
  pursuitOptions,
  pursuitSchema,
  type Resolved,
} from './options.ts';
import { batchSizeOf } from './plan.ts';

/** Options of {@link ompGram}. */
export interface OmpGramOptions extends PursuitOptions {
  /**
   * |y|² of each signal, `[B]` f64: needed for a tolerance, and for residuals; without them, residuals are NaN. Default: none.
   */
  energies?: Tensor | undefined;
  /** Signals at once: whole, from 1 on. Results do not depend on it. Default: chosen from the sizes. */
  batchSize?: number | undefined;
}

/** The diagonal is gathered by a 32-bit index. */
const mostAtoms = 46340;

/**
 * Orthogonal matching pursuit from products alone: the Gram matrix D Dᵀ `[N, N]` of the atoms, and the correlations of each
 * signal with them, `[B, N]`, both f32 or f64. What scikit-learn's `orthogonal_mp_gram` computes for atoms of norm 1; here
 * they may have any. Products alone do not tell small residuals: the square of one, |y|² − |z|², is off by up to
 * ε (|y| + Σ |wⱼ| |dⱼ|)², where ε is 2⁻²⁴ in f32 and 2⁻⁵³ in f64. The sum is some |y| for atoms at angles, where residuals end
 * at 1e-3 |y| and 1e-7 |y|; it grows with the condition of the chosen atoms where they are alike. A tolerance below that may
 * be met a step early or late. {@link omp} measures its residuals.
 *
 * @example
 * using code = await ompGram(gram, correlations, { k: 8, energies });
 *
 * @throws ERR_ARGUMENT for options, k < 1 or k > N, numbers that are not finite, and a tolerance without energies; ERR_SHAPE,
 * ERR_DTYPE and ERR_DEVICE for tensors that do not fit; ERR_MEMORY; ERR_DISPOSED; the signal's reason when aborted
 */
export async function ompGram(gram: Tensor, correlations: Tensor, options: OmpGramOptions = {}): Promise<SparseCode> {
  const where = 'ompGram';
  const given = pursuitOptions(where, options, schema);
  checkMatrix(where, 'gram', gram);
  checkMatrix(where, 'correlations', correlations);
  const { device, dtype } = gram;
  if (dtype !== 'f32' && dtype !== 'f64')
    throw new OrthokitError('ERR_DTYPE', `${where}: gram must be f32 or f64, got ${dtype}`);
  const [size = 0, columns = 0] = gram.shape;
  if (columns !== size) throw new OrthokitError('ERR_SHAPE', `${where}: gram must be square, got [${gram.shape}]`);
  if (size > mostAtoms)
    throw new OrthokitError('ERR_SHAPE', `${where}: gram must have at most ${mostAtoms} rows, got ${size}`);
  if (correlations.device !== device)
    throw new OrthokitError('ERR_DEVICE', `${where}: correlations is on another device`);
  if (correlations.dtype !== dtype)
    throw new OrthokitError('ERR_DTYPE', `${where}: correlations must be ${dtype} as gram, got ${correlations.dtype}`);
  if (correlations.shape[1] !== size)
    throw new OrthokitError(
      'ERR_SHAPE',
      `${where}: correlations must have a column an atom, ${size}, got [${correlations.shape}]`,
    );
  const signals = correlations.shape[0]!;
  if (given.energies) checkEnergies(where, given.energies, correlations);
  else if (given.tol > 0 || given.relTol > 0)
    throw new OrthokitError('ERR_ARGUMENT', `${where}: energies must be given with a tolerance, got none`);
  const k = atomsOf(where, given.k, size, size);
  given.signal?.throwIfAborted();

  using lane = new Lane(device, given.signal);
  using guard = new Tensor(device, [1], 'f64');
  ops.checkFinite(lane.queue, { x: [gram, correlations], guard });
  using squares = diagonalOf(gram);
  const diagonal = (await abortable(squares.read(), given.signal)) as Float64Array;
  if ((await guard.read())[0] !== 0)
    throw new OrthokitError('ERR_ARGUMENT', `${where}: gram and correlations must be finite, got others`);
  checkNorms(where, 'gram', diagonal, dtype);
  const inverses = diagonal.map((square) => (square > 0 ? 1 / Math.sqrt(square) : 0));
  using scales =
    given.select === 'unit'
      ? Tensor.from(device, dtype === 'f32' ? new Float32Array(inverses) : inverses, [size])
      : undefined;
  const { tol, relTol, onDependent, signal, onProgress } = given;
  using none = given.energies ? undefined : new Tensor(device, [signals], 'f64');
  return await inBatches(
    {
      ...{ queue: lane.queue, code: new SparseCode(device, signals, k, size, dtype), signals: correlations },
      ...{ energies: given.energies ?? none!, signal, onProgress },
      batchSize: given.batchSize ?? batchSizeOf(device.kind, dtype, size, k),
    },
    ({ queue, signals: correlations, energies, code: { indices, coefficients, residuals, counts } }) => {
      ops.gramPursuit(queue, {
        ...{ correlations, gram, squares, scales, energies: given.energies && energies },
        ...{ indices, coefficients, residuals, counts },
        ...{ tol, relTol, onDependent, floor: floorOf(dtype, size), dependence: dependence[dtype] },
      });
    },
  );
}

interface ResolvedGram extends Resolved {
  energies: Tensor | undefined;
  batchSize: number | undefined;
}

const schema: Schema<ResolvedGram> = {
  ...pursuitSchema,
  energies: {
    default: undefined,
    wrong: (x) => (x === undefined || isTensor(x) ? undefined : 'must be a Tensor'),
  },
  batchSize: count,
};

function checkEnergies(where: string, energies: Tensor, { device, shape: [signals] }: Tensor): void {
  if (energies.device !== device) throw new OrthokitError('ERR_DEVICE', `${where}: energies is on another device`);
  if (energies.dtype !== 'f64')
    throw new OrthokitError('ERR_DTYPE', `${where}: energies must be f64, got ${energies.dtype}`);
  if (energies.shape.length !== 1 || energies.shape[0] !== signals)
    throw new OrthokitError(
      'ERR_SHAPE',
      `${where}: energies must have one element a signal, ${shown(signals)}, got [${energies.shape}]`,
    );
}

function diagonalOf(gram: Tensor): Tensor {
  const { device, dtype } = gram;
  const size = gram.shape[0]!;
  using flat = gram.reshape([size * size]);
  using index = Tensor.from(
    device,
    Int32Array.from({ length: size }, (_, i) => i * (size + 1)),
    [size],
  );
  using out = new Tensor(device, [size], dtype);
  ops.gatherRows(device, { x: flat, index, out });
  return out.cast('f64');
}
