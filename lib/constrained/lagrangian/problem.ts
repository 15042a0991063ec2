// A problem with equality constraints as functions of the caller's on arrays, and how they are called.
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import type { Task } from '../../core/task.ts';

/**
 * min f(x) where c(x) = 0, f and c twice differentiable. Functions get copies of x and write all of `out`; they may
 * answer later.
 */
export interface EqualityProblem {
  /** Elements of x, n: whole, from 1 on. */
  readonly variables: number;
  /** Elements of c, m: whole, from 1 to n. */
  readonly constraints: number;
  /** f(x). */
  value(x: Float64Array): number | Promise<number>;
  /** out `[n]` = ∇f(x). */
  gradient(x: Float64Array, out: Float64Array): void | Promise<void>;
  /** out `[n · n]` = ∇²f(x) + Σ λᵢ ∇²cᵢ(x), the Hessian of the Lagrangian, symmetric. */
  hessian(x: Float64Array, lambda: Float64Array, out: Float64Array): void | Promise<void>;
  /** out `[m]` = c(x). */
  constraint(x: Float64Array, out: Float64Array): void | Promise<void>;
  /** out `[m · n]` = the Jacobian of c at x, row by row. */
  jacobian(x: Float64Array, out: Float64Array): void | Promise<void>;
}

const functions = ['value', 'gradient', 'hessian', 'constraint', 'jacobian'] as const;

/** @throws ERR_ARGUMENT for what is no problem */
export function checkProblem(where: string, value: unknown): asserts value is EqualityProblem {
  if (!isRecord(value)) throw refusal(where, 'problem', 'be an object', shown(value));
  const { variables, constraints } = value;
  if (!(Number.isSafeInteger(variables) && (variables as number) >= 1))
    throw refusal(where, 'problem.variables', 'be a whole number from 1 on', shown(variables));
  if (!(Number.isSafeInteger(constraints) && (constraints as number) >= 1 && constraints! <= variables!))
    throw refusal(where, 'problem.constraints', `be a whole number from 1 to ${variables}`, shown(constraints));
  for (const name of functions)
    if (typeof value[name] !== 'function')
      throw refusal(where, 'problem', `have a function ${name}`, shown(value[name]));
}

/** A copy of a vector of the caller's. @throws ERR_ARGUMENT, ERR_SHAPE */
export function vectorOf(where: string, name: string, value: unknown, size: number): Float64Array {
  if (!(value instanceof Float64Array)) throw refusal(where, name, 'be a Float64Array', shown(value));
  if (value.length !== size) throw refusal(where, name, `have ${size} elements`, value.length, 'ERR_SHAPE');
  const bad = value.find((one) => !Number.isFinite(one));
  if (bad !== undefined) throw refusal(where, name, 'be finite', bad);
  return value.slice();
}

/** A problem's numbers at a point, on the host. */
export interface Point {
  readonly x: Float64Array;
  readonly lambda: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
  readonly constraint: Float64Array;
  readonly jacobian: Float64Array;
}

const areFinite = (numbers: Float64Array): boolean => numbers.every(Number.isFinite);

/** Calls of a problem's functions within a task. */
export class Calls {
  readonly #where: string;
  readonly #task: Task<never>;
  readonly #problem: EqualityProblem;

  constructor(where: string, task: Task<never>, problem: EqualityProblem) {
    this.#where = where;
    this.#task = task;
    this.#problem = problem;
  }

  /** The answer of a function, which is named where it throws. */
  async #ask<T>(name: string, call: () => T | Promise<T>): Promise<T> {
    this.#task.check();
    try {
      const answer = call();
      const given = answer instanceof Promise ? await this.#task.wait(answer) : answer;
      this.#task.check();
      return given;
    } catch (error) {
      this.#task.check();
      const words = error instanceof Error ? error.message : shown(error);
      throw new OrthokitError('ERR_ARGUMENT', `${this.#where}: problem.${name} has failed: ${words}`, { cause: error });
    }
  }

  /** An array that a function has filled; what it leaves out stays NaN. */
  async #fill(name: string, size: number, call: (out: Float64Array) => void | Promise<void>): Promise<Float64Array> {
    const out = new Float64Array(size).fill(NaN);
    await this.#ask(name, () => call(out));
    if (out.length !== size)
      throw refusal(this.#where, `problem.${name}`, 'leave its array as long as it was', out.length, 'ERR_SHAPE');
    return out;
  }

  /** The problem at a point; undefined where a number is not finite and `isStart` is not set. */
  async at(x: Float64Array, lambda: Float64Array, isStart: boolean): Promise<Point | undefined> {
    const { variables: n, constraints: m } = this.#problem;
    const bad = (name: string, got: unknown): undefined => {
      if (isStart) throw refusal(this.#where, `problem.${name}`, 'give finite numbers at x0', shown(got));
    };
    const value = await this.#ask('value', () => this.#problem.value(x.slice()));
    if (typeof value !== 'number') throw refusal(this.#where, 'problem.value', 'give a number', shown(value));
    if (!Number.isFinite(value)) return bad('value', value);
    const constraint = await this.#fill('constraint', m, (out) => this.#problem.constraint(x.slice(), out));
    if (!areFinite(constraint))
      return bad(
        'constraint',
        constraint.find((one) => !Number.isFinite(one)),
      );
    const gradient = await this.#fill('gradient', n, (out) => this.#problem.gradient(x.slice(), out));
    if (!areFinite(gradient))
      return bad(
        'gradient',
        gradient.find((one) => !Number.isFinite(one)),
      );
    const jacobian = await this.#fill('jacobian', m * n, (out) => this.#problem.jacobian(x.slice(), out));
    if (!areFinite(jacobian))
      return bad(
        'jacobian',
        jacobian.find((one) => !Number.isFinite(one)),
      );
    return { x, lambda, value, gradient, constraint, jacobian };
  }

  hessian({ x, lambda }: Point): Promise<Float64Array> {
    const { variables: n } = this.#problem;
    return this.#fill('hessian', n * n, (out) => this.#problem.hessian(x.slice(), lambda.slice(), out));
  }
}
