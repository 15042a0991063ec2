import { callback, called, checkFinite } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { nested, type Option, positive, readOptions, required, type Schema, whole } from '../core/schema.ts';
import { Suspects } from '../core/suspects.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { GuardedSteps } from '../files/guarded-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';

/** The derivatives of one level: each writes into `out`, like x or like y, and leaves x and y as they are. */
export interface LevelGradients {
  /** out = the derivative by x, like x. */
  gradientX(x: Tensor, y: Tensor, out: Tensor): void | Promise<void>;
  /** out = the derivative by y, like y. */
  gradientY(x: Tensor, y: Tensor, out: Tensor): void | Promise<void>;
}

/** Constraints c of the lower problem, which may couple x and y. */
export interface CoupledConstraint {
  /** Their number: whole, from 1 on. */
  readonly count: number;
  /** c ≤ 0, or c = 0. */
  readonly kind: 'inequality' | 'equality';
  /** out `[count]` = c(x, y). */
  value(x: Tensor, y: Tensor, out: Tensor): void | Promise<void>;
  /** out, like x, = the transpose of the derivative of c by x, times λ `[count]`. */
  jacobianTX(x: Tensor, y: Tensor, lambda: Tensor, out: Tensor): void | Promise<void>;
  /** out, like y, = the transpose of the derivative of c by y, times λ `[count]`. */
  jacobianTY(x: Tensor, y: Tensor, lambda: Tensor, out: Tensor): void | Promise<void>;
}

/**
 * A problem of two levels with constraints of the lower one: the smallest F(x, y), where y minimizes f(x, ·) in c ≤ 0.
 */
export interface ConstrainedBilevel {
  /** The upper variables, from their start on: f32 or f64. */
  readonly x: Tensor;
  /** The lower variables, from their start on: of the dtype and device of x. */
  readonly y: Tensor;
  /** The derivatives of F. */
  readonly upper: LevelGradients;
  /** The derivatives of f, which is convex in y. */
  readonly lower: LevelGradients;
  /** c, convex in x and y. */
  readonly constraint: CoupledConstraint;
  /** x and y = the nearest point with c ≤ 0 or c = 0, in place. */
  project(x: Tensor, y: Tensor): void | Promise<void>;
  /** y = the nearest point of the set that the lower problem is about besides, in place. Default: all points. */
  projectLower?(y: Tensor): void | Promise<void>;
}

/** The weight of the lower problem against the upper one in step k, c (k + 1)ᵖ, k from 0 on. */
export interface LvHbaPenalty {
  /**
   * Positive. Where it is small the upper function holds y away from the lower solution, and x gets no news of it: it
   * may stay where it is. Steps of x and y go along the upper gradient over c, so that one that is much smaller wants a
   * smaller `alpha`. Default: 1.
   */
  c?: number | undefined;
  /** The exponent p of cₖ, in [0, 1/2). Default: 0.3. */
  p?: number | undefined;
}

/** Options of {@link LvHba}. */
export interface LvHbaOptions {
  /** Steps of x and y: positive. It has no default. */
  alpha: number;
  /** Steps of z: positive. It has no default. */
  beta: number;
  /**
   * Steps of θ and λ: positive, below about 1 / (L + the largest curvature of c). Constraints want rows of the length
   * of 1. It has no default.
   */
  eta: number;
  /**
   * γ₁ of the proximal term of θ: positive. The upper function pulls y away from the lower solution, along a curvature
   * h of f by 1 + 1 / (h γ₁) times its gradient over cₖ: where f is flat, a larger γ₁ keeps y nearer to the solution,
   * which θ then follows by about `eta` (h + 1 / γ₁) a step. Default: 1.
   */
  gamma1?: number | undefined;
  /** γ₂ of the proximal term of λ: positive. Default: 1. */
  gamma2?: number | undefined;
  /** See {@link LvHbaPenalty}. Default: its defaults. */
  penalty?: LvHbaPenalty | undefined;
  /** The largest multiplier z: positive. Default: 1000. */
  bound?: number | undefined;
}

/** The result of {@link LvHba.step}; the tensors belong to the method, and are of the last step. */
export interface LvHbaStep {
  /** Length of the step of (x, y) over `alpha`, f64 `[1]`. */
  readonly residual: Tensor<'f64'>;
  /** The violation of the constraints at (x, y): the length of c, or of its part above 0, f64 `[1]`. */
  readonly feasibility: Tensor<'f64'>;
}

const exponent: Option<number> = {
  default: 0.3,
  wrong: (x) => (typeof x === 'number' && x >= 0 && x < 0.5 ? undefined : 'must be in [0, 1/2)'),
};

interface Given {
  alpha: number;
  beta: number;
  eta: number;
  gamma1: number;
  gamma2: number;
  penalty: { c: number; p: number };
  bound: number;
}

const schema: Schema<Given> = {
  alpha: required(positive(1)),
  beta: required(positive(1)),
  eta: required(positive(1)),
  gamma1: positive(1),
  gamma2: positive(1),
  penalty: nested<{ c: number; p: number }>({ c: positive(1), p: exponent }),
  bound: positive(1000),
};

const where = 'LvHba';
/**
 * All whose lengths a step looks at, in its order. Where all functions give finite numbers, a step may still be too
 * long for x and y; the last one is a number where the projection has led into the constraints.
 */
const calls = [
  'lower.gradientY',
  'constraint.jacobianTY',
  'constraint.value',
  'projectLower',
  'upper.gradientX',
  'lower.gradientX',
  'lower.gradientX',
  'constraint.jacobianTX',
  'upper.gradientY',
  'lower.gradientY',
  'a step of length alpha before project',
  'a step of length alpha before project',
  'project',
  'constraint.value',
  'beside',
] as const;
/** Lengths beside them: of the next θ, λ and z. */
const others = 3;
/** Distance from constraints that a projection may leave, in units of 1 + |(x, y)|. */
const rounding = { f32: 1e-4, f64: 1e-8 };

/**
 * Steps for problems of two levels whose lower one has constraints that both levels share: no second derivatives, one
 * loop, and a lower problem that may be merely convex. The lower problem's value is replaced by a smooth one, with a
 * proximal term for its variables and one for its multipliers, whose saddle point (θ, λ) follows by one step each time;
 * the weight of the lower problem grows with the steps. A step is queued and waits for the functions only.
 *
 * Numbers that are not finite move nothing: the step after the device has told of them throws, with the number of the
 * one that failed and the function that gave them first, and steps go on from before it. So does a step whose
 * projection leads to where the constraints do not hold, by more than 1e-8 (1 + |(x, y)|) in f64 and 1e-4 of it in f32.
 *
 * State: θ, like y, and twice the multipliers; 5 times x and 4 times y more while it lives.
 *
 * Source: LV-HBA, "Constrained Bi-Level Optimization: Proximal Lagrangian Value function Approach and Hessian-free
 * Algorithm" (ICLR 2024). The authors' learning scripts lose the upper gradient and never move z; this follows the
 * algorithm.
 *
 * @example
 * const method = new LvHba({ x, y, upper, lower, constraint, project }, { alpha: 0.05, beta: 0.05, eta: 0.05 });
 * await method.init();
 * for (let k = 0; k < 1000; ++k) await method.step();
 */
export class LvHba extends StatefulSteps {
  readonly #problem: ConstrainedBilevel;
  readonly #options: Given;
  readonly #device: Device;
  readonly #theta: Tensor;
  readonly #lambda: Tensor;
  readonly #z: Tensor;
  readonly #nextTheta: Tensor;
  readonly #nextLambda: Tensor;
  readonly #nextZ: Tensor;
  readonly #value: Tensor;
  readonly #nextX: Tensor;
  readonly #ofX: readonly [Tensor, Tensor, Tensor, Tensor];
  readonly #ofY: readonly [Tensor, Tensor, Tensor];
  readonly #residual: Tensor<'f64'>;
  readonly #feasibility: Tensor<'f64'>;
  readonly #pair: Tensor;
  readonly #one: Tensor;
  readonly #suspects: Suspects;
  /** Views of their lengths. */
  readonly #lengths: Record<'saddle' | 'value' | 'lowered' | 'ofX' | 'ofY' | 'x' | 'y' | 'projected' | 'kept' | 'inside' | 'theta' | 'lambda' | 'z', Tensor>; // biome-ignore format: one line
  readonly #steps: GuardedSteps<{ started: number }>;
  #started = 0;

  /**
   * @throws ERR_ARGUMENT for what is no problem, and for options out of range; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
   * ERR_DISPOSED for x and y; ERR_MEMORY
   */
  constructor(problem: ConstrainedBilevel, options: LvHbaOptions) {
    super();
    checkProblem(problem);
    this.#options = readOptions(where, options, schema);
    this.#problem = problem;
    const { x, y, constraint } = problem;
    const { device, dtype } = x;
    this.#device = device;
    using owned = new Owned<Tensor>();
    const zeros = (shape: readonly number[]) => owned.add(Tensor.zeros(device, shape, { dtype }));
    const [m, likeX, likeY] = [() => zeros([constraint.count]), () => zeros(x.shape), () => zeros(y.shape)];
    [this.#theta, this.#nextTheta] = [likeY(), likeY()];
    [this.#lambda, this.#nextLambda, this.#z, this.#nextZ, this.#value] = [m(), m(), m(), m(), m()];
    [this.#nextX, this.#ofX, this.#ofY] = [likeX(), [likeX(), likeX(), likeX(), likeX()], [likeY(), likeY(), likeY()]]; // biome-ignore format: one line
    const number = (size = 1) => owned.add(Tensor.zeros(device, [size], { dtype: 'f64' }));
    [this.#residual, this.#feasibility, this.#pair, this.#one] = [number(), number(), number(2), number()];
    ops.fill(device, { x: [this.#one], value: 1 });
    const names = calls.filter((name) => problem.projectLower || name !== 'projectLower');
    this.#suspects = new Suspects(device, names, owned, others);
    const lengths = (first: number, count?: number) => this.#suspects.lengths(first, owned, count);
    const after = names.indexOf('upper.gradientX');
    const end = names.length;
    this.#lengths = {
      saddle: lengths(0, 2),
      value: lengths(2),
      lowered: lengths(3),
      ofX: lengths(after, 4),
      ofY: lengths(after + 4, 2),
      x: lengths(after + 6),
      y: lengths(after + 7),
      projected: lengths(after + 8),
      kept: lengths(end - 2),
      inside: lengths(end - 1),
      theta: lengths(end),
      lambda: lengths(end + 1),
      z: lengths(end + 2),
    };
    this.#steps = new GuardedSteps(device, {
      of: where,
      settings: { ...this.#options },
      owned,
      tensors: { theta: this.#theta, lambda: this.#lambda, z: this.#z },
      beside: { x, y },
      demand: 'the functions must give finite numbers',
      culprit: async () => {
        const name = await this.#suspects.culprit();
        const fault = { demand: 'project must lead to where the constraints hold', got: 'a place beside them' };
        return name === 'beside' ? fault : name;
      },
      numbers: {
        schema: { started: whole(0, 0, 1) },
        read: () => ({ started: this.#started }),
        restore: ({ started }) => {
          this.#started = started;
          this.#suspects.clear();
        },
      },
    });
    keepSteps(this, this.#steps);
  }

  /** λ, the multipliers of the constraints, `[count]`: the method's own tensor. */
  get multipliers(): Tensor {
    return this.#lambda;
  }

  /**
   * Projects x and y, and begins with θ = y and multipliers of 0.
   *
   * @throws ERR_ARGUMENT for what functions throw, for NaN, and for a projection after which the constraints do not
   * hold; ERR_DISPOSED; ERR_STATE while another call runs, and after the first step. x and y are then as
   * before
   */
  init(): Promise<void> {
    return this.#steps.run('init', async (place) => {
      const { steps } = this.#steps;
      if (steps > 0)
        throw new OrthokitError('ERR_STATE', `${place}: must be called before the first step, got ${steps}`);
      const { x, y, project } = this.#problem;
      const device = this.#device;
      const [nextX, nextY] = [this.#nextX, this.#ofY[0]];
      vectors.copy(device, [x, y], [nextX, nextY]);
      await callback(undefined, `${place}: project`, [nextX, nextY], () => project(nextX, nextY));
      await this.#measure(place, nextX, nextY);
      ops.norms(device, { x: [nextX, nextY], out: this.#pair });
      const [[left], [sizeX, sizeY]] = (await Promise.all([
        this.#feasibility.read(),
        this.#pair.read(),
      ])) as unknown as [[number], [number, number]];
      this.#steps.checkAlive(place);
      checkFinite(`${place}: project`, sizeX + sizeY);
      const most = rounding[x.dtype as 'f32' | 'f64'] * (1 + Math.hypot(sizeX, sizeY));
      if (!(left <= most)) throw refusal(place, 'project', 'lead to where the constraints hold', `${left} beside them`);
      vectors.copy(device, [nextX, nextY, nextY], [x, y, this.#theta]);
      ops.fill(device, { x: [this.#lambda, this.#z], value: 0 });
      this.#started = 1;
    });
  }

  /**
   * One step; it resolves when all is queued.
   *
   * @throws ERR_ARGUMENT for what functions throw, with the step, and for a step before this one in which they gave NaN
   * or infinity, or after whose projection the constraints do not hold; ERR_DISPOSED, also if they dispose of what they
   * are given; ERR_STATE while another call runs, and before `init`. Nothing has moved then
   */
  step(): Promise<LvHbaStep> {
    return this.#steps.run('step', async (place) => {
      if (!this.#started) throw new OrthokitError('ERR_STATE', `${place}: init must be called before, got none`);
      const { x, y, upper, lower, constraint, project } = this.#problem;
      const device = this.#device;
      const { alpha, beta, eta, gamma1, gamma2, penalty, bound } = this.#options;
      const weight = 1 / (penalty.c * (this.#steps.steps + 1) ** penalty.p);
      const nextX = this.#nextX;
      const [nextY, partY, otherY] = this.#ofY;
      const [theta, lambda, z] = [this.#theta, this.#lambda, this.#z];
      const [nextTheta, nextLambda, nextZ, value] = [this.#nextTheta, this.#nextLambda, this.#nextZ, this.#value];
      const isEquality = constraint.kind === 'equality';
      const words = (name: string) => `${place}: ${name} of step ${this.#steps.steps + 1}`;
      const lengths = this.#lengths;
      const lent = [x, y, ...this.#lent()];
      const ask = (name: string, run: () => void | Promise<void>): Promise<void> | undefined =>
        called(words(name), lent, run);
      let wait: Promise<void> | undefined;
      const clamp = (one: Tensor, low: number, high: number) =>
        ops.map(device, { x: [one], out: [one], function: 'clamp', parameters: [low, high] });

      // Both steps of the saddle point are from where it was.
      wait = ask('lower.gradientY', () => lower.gradientY(x, theta, partY));
      if (wait) await wait;
      wait = ask('constraint.jacobianTY', () => constraint.jacobianTY(x, theta, lambda, otherY));
      if (wait) await wait;
      wait = ask('constraint.value', () => constraint.value(x, theta, value));
      if (wait) await wait;
      const near = 1 - eta / gamma1;
      const ofTheta = [[near, theta], [eta / gamma1, y], [-eta, partY], [-eta, otherY]] as const; // biome-ignore format: one line
      vectors.along(device, nextTheta, ofTheta, { sum: lengths.theta, terms: lengths.saddle });
      if (this.#problem.projectLower) {
        wait = ask('projectLower', () => this.#problem.projectLower!(nextTheta));
        if (wait) await wait;
        ops.norms(device, { x: [nextTheta], out: lengths.lowered });
      }
      const ofLambda = [[1 - eta / gamma2, lambda], [eta / gamma2, z], [eta, value]] as const; // biome-ignore format: one line
      vectors.along(device, nextLambda, ofLambda, { sum: lengths.lambda, terms: lengths.value });
      clamp(nextLambda, isEquality ? -bound : 0, isEquality ? bound : Infinity);

      const [ofUpper, atY, atTheta, ofConstraint] = this.#ofX;
      wait = ask('upper.gradientX', () => upper.gradientX(x, y, ofUpper));
      if (wait) await wait;
      wait = ask('lower.gradientX', () => lower.gradientX(x, y, atY));
      if (wait) await wait;
      wait = ask('lower.gradientX', () => lower.gradientX(x, nextTheta, atTheta));
      if (wait) await wait;
      wait = ask('constraint.jacobianTX', () => constraint.jacobianTX(x, nextTheta, nextLambda, ofConstraint)); // biome-ignore format: one line
      if (wait) await wait;
      const ofX = [[1, x], [-alpha * weight, ofUpper], [-alpha, atY], [alpha, atTheta], [alpha, ofConstraint]] as const; // biome-ignore format: one line
      vectors.along(device, nextX, ofX, { sum: lengths.x, terms: lengths.ofX });

      wait = ask('upper.gradientY', () => upper.gradientY(x, y, partY));
      if (wait) await wait;
      wait = ask('lower.gradientY', () => lower.gradientY(x, y, otherY));
      if (wait) await wait;
      const ofY = [[1 + alpha / gamma1, y], [-alpha / gamma1, nextTheta], [-alpha * weight, partY], [-alpha, otherY]] as const; // biome-ignore format: one line
      vectors.along(device, nextY, ofY, { sum: lengths.y, terms: lengths.ofY });
      const ofZ = [[1 - beta / gamma2, z], [beta / gamma2, nextLambda]] as const; // biome-ignore format: one line
      vectors.along(device, nextZ, ofZ, { sum: lengths.z });
      clamp(nextZ, isEquality ? -bound : 0, bound);
      wait = ask('project', () => project(nextX, nextY));
      if (wait) await wait;

      const [partX] = this.#ofX;
      const moved = [[-1 / alpha, [x, y]], [1 / alpha, [nextX, nextY]]] as const; // biome-ignore format: one line
      vectors.along(device, [partX, partY], moved, { sum: this.#residual, terms: lengths.projected });
      await this.#measure(place, nextX, nextY, true);
      this.#steps.checkAlive(place);
      const share = rounding[x.dtype as 'f32' | 'f64'];
      // The root of what is left of the distance that is allowed: no number where nothing is.
      vectors.combine(device, lengths.inside, [share, this.#one], [share, lengths.projected], [-1, this.#feasibility]);
      ops.map(device, { x: [lengths.inside], out: [lengths.inside], function: 'sqrt' });
      const { sizes, told } = this.#suspects;
      const next = [nextX, nextY, nextTheta, nextLambda, nextZ];
      this.#steps.end({ state: [x, y, theta, lambda, z], x: next, sizes, told });
      return { residual: this.#residual, feasibility: this.#feasibility };
    });
  }

  #lent(): Tensor[] {
    return [
      this.#theta,
      this.#lambda,
      this.#nextTheta,
      this.#nextLambda,
      this.#value,
      this.#nextX,
      ...this.#ofX,
      ...this.#ofY,
    ];
  }

  /** Measures the violation of the constraints at a point. */
  async #measure(place: string, x: Tensor, y: Tensor, isOfStep = false): Promise<void> {
    const { constraint } = this.#problem;
    const [device, value] = [this.#device, this.#value];
    const words = `${place}: constraint.value of step ${this.#steps.steps + 1}`;
    await callback(undefined, words, [x, y, value], () => constraint.value(x, y, value));
    if (isOfStep) ops.norms(device, { x: [value], out: this.#lengths.kept });
    if (constraint.kind === 'inequality') ops.map(device, { x: [value], out: [value], function: 'relu' });
    ops.norms(device, { x: [value], out: this.#feasibility });
  }
}

function checkProblem(problem: unknown): asserts problem is ConstrainedBilevel {
  if (!isRecord(problem)) throw refusal(where, 'problem', 'be a problem of two levels', shown(problem));
  const { x, y, constraint } = problem as unknown as ConstrainedBilevel;
  check.tensor(where, 'x', x, { dtypes: check.arithmetic, filled: true });
  check.tensor(where, 'y', y, { dtypes: [x.dtype], filled: true, device: x.device });
  if ((x as Tensor) === y) throw refusal(where, 'y', 'be another tensor than x', 'x');
  const demand = (name: string, part: unknown, functions: readonly string[]): void => {
    if (!isRecord(part)) throw refusal(where, name, 'be an object', shown(part));
    for (const one of functions)
      if (typeof part[one] !== 'function') throw refusal(where, `${name}.${one}`, 'be a function', shown(part[one]));
  };
  demand('upper', problem['upper'], ['gradientX', 'gradientY']);
  demand('lower', problem['lower'], ['gradientX', 'gradientY']);
  demand('constraint', constraint, ['value', 'jacobianTX', 'jacobianTY']);
  demand('problem', problem, ['project']);
  const { count, kind } = constraint;
  if (!(Number.isSafeInteger(count) && count >= 1))
    throw refusal(where, 'constraint.count', 'be a whole number from 1 on', shown(count));
  if (kind !== 'inequality' && kind !== 'equality')
    throw refusal(where, 'constraint.kind', "be one of 'inequality', 'equality'", shown(kind));
  if (problem['projectLower'] !== undefined && typeof problem['projectLower'] !== 'function')
    throw refusal(where, 'projectLower', 'be a function', shown(problem['projectLower']));
}
