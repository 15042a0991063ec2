import { checkFinite } from '../core/callbacks.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { ops } from '../core/native-ops.ts';
import type { Owned } from '../core/owned.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { fillNormal } from '../solvers/operator.ts';
import type { MaidIteration, MaidSettings } from './maid-options.ts';
import type { MaidProblem } from './maid-problem.ts';

/** Constants of the bound on a gradient's error. */
export interface Constants {
  readonly B: number;
  readonly LB: number;
  readonly LAinv: number;
  readonly Lg: number;
}

/** The run and its functions, with which estimates are made. */
interface Means {
  readonly task: Task<MaidIteration>;
  readonly owned: Owned<Tensor>;
  readonly like: { readonly x: Tensor; readonly theta: Tensor };
  readonly problem: MaidProblem;
  ask(name: string, lent: readonly Tensor[], run: () => void | Promise<void>): Promise<void> | undefined;
}

/** Those that were given, and for the others the largest ones that points near those of the run have shown. */
export class MaidConstants {
  /** All were given. */
  readonly certified: boolean;
  readonly #mu: number;
  readonly #means: Means;
  readonly #given: Partial<Constants>;
  #seen: Constants = { B: 0, LB: 0, LAinv: 0, Lg: 0 };
  #draws = 0;

  constructor({ bounds, mu }: MaidSettings, lipschitz: number | undefined, means: Means) {
    const given = bounds === 'estimate' ? {} : bounds;
    this.#given = lipschitz === undefined ? given : { ...given, Lg: lipschitz };
    this.certified = bounds !== 'estimate' && lipschitz !== undefined;
    [this.#mu, this.#means] = [mu, means];
  }

  of(): Constants {
    return { ...this.#seen, ...this.#given };
  }

  /** Those that have been seen, and how many draws showed them. */
  state(): Constants & { readonly draws: number } {
    return { ...this.#seen, draws: this.#draws };
  }

  /** Goes on from such a state. */
  goOn({ B, LB, LAinv, Lg, draws }: Constants & { readonly draws: number }): void {
    [this.#seen, this.#draws] = [{ B, LB, LAinv, Lg }, draws];
  }

  /**
   * Looks around a point. With a normal z, |J z| is in the mean as large as the Frobenius norm of J, which is no less
   * than its norm: so B is that of ∇²ₓθ h, and changes along a short z give the others.
   */
  async estimate(
    { x, theta, gradient }: { x: Tensor; theta: Tensor; gradient: Tensor },
    q: Tensor,
    gradNorm: number,
    eps: number,
  ): Promise<void> {
    if (this.certified) return;
    const { task, owned, problem, ask } = this.#means;
    const { lower, upper } = problem;
    const { queue } = task;
    const made: Tensor[] = [];
    const like = (one: Tensor): Tensor => {
      const tensor = vectors.like(one, owned)[0]!;
      made.push(tensor);
      return tensor;
    };
    try {
      const [z, near, first, second] = [like(x), like(x), like(x), like(x)];
      const [ofZ, before, after] = [like(theta), like(theta), like(theta)];
      const number = (count: number): Tensor => {
        made.push(owned.add(new Tensor(task.device, [count], 'f64')));
        return made.at(-1)!;
      };
      const [width, sizes] = [number(1), number(5)];
      fillNormal(queue, [z], 0, this.#draws++);
      ops.norms(queue, { x: [x], out: width });
      const size = (await task.read(width))[0]!;
      const h = Math.max(eps, Math.sqrt(epsilonOf(x.dtype)) * (1 + size)) / Math.sqrt(x.size);
      vectors.combine(queue, near, [1, x], [h, z]);
      const lent = made.concat(x, theta, q, gradient);
      const askJacobian = (at: Tensor, v: Tensor, out: Tensor) =>
        ask('lower.jacobianTransposed', lent, () => lower.jacobianTransposed(at, theta, v, out));
      const askHessian = (at: Tensor, out: Tensor) =>
        ask('lower.hessianProduct', lent, () => lower.hessianProduct(at, theta, q, out));
      await askJacobian(x, z, ofZ);
      await askJacobian(x, q, before);
      await askJacobian(near, q, after);
      vectors.combine(queue, after, [1, after], [-1, before]);
      await askHessian(x, first);
      await askHessian(near, second);
      vectors.combine(queue, second, [1, second], [-1, first]);
      await ask('upper.gradient', lent, () => upper.gradient(near, first));
      vectors.combine(queue, first, [1, first], [-1, gradient]);
      ops.norms(queue, { x: [ofZ, after, second, first, q], out: sizes });
      const [b, jacobian, hessian, slope, length] = (await task.read(sizes)) as unknown as number[];
      for (const [
        name,
        value,
      ] of [['lower.jacobianTransposed', b! + jacobian!], ['lower.hessianProduct', hessian], ['upper.gradient', slope]] as const) // biome-ignore format: one line
        checkFinite(`Maid.run: ${name}`, value!);
      const along = (change: number): number => (length! > 0 ? change / (h * length!) : 0);
      const seen = this.#seen;
      this.#seen = {
        B: Math.max(seen.B, b!, length! > 0 ? gradNorm / length! : 0),
        LB: Math.max(seen.LB, along(jacobian!)),
        LAinv: Math.max(seen.LAinv, along(hessian!) / this.#mu ** 2),
        Lg: Math.max(seen.Lg, slope! / h),
      };
    } finally {
      for (const tensor of made) owned.drop(tensor);
    }
  }
}
