import type { Dtype } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { isListOf, shown } from '../core/options.ts';
import type { Option } from '../core/schema.ts';
import type { Coefficients, Iteration, OrthogonalMethod } from './coefficients.ts';
import { bestRestarts, conditionOfSteps, roundingOfGram, worstCondition } from './restarts.ts';

/** The way to singular values of at most 1; see {@link OrthogonalizeOptions.scaling}. */
export type Scaling = 'frobenius' | 'schatten4' | 'aol';

/** Options that decide how an iteration is computed; coefficients and the rest where they are given. */
export interface FormOptions {
  readonly method: OrthogonalMethod;
  readonly scaling: Scaling;
  readonly coefficients: Coefficients | undefined;
  readonly nsSteps: number | undefined;
  readonly restarts: readonly number[] | undefined;
  readonly dtype: Dtype | undefined;
}

/** The options' names, as their callers know them. */
export interface FormNames {
  readonly method: string;
  readonly scaling: string;
  readonly restarts: string;
  readonly dtype: string;
}

/** The form in which an op computes an iteration. */
export interface Form {
  readonly method: OrthogonalMethod;
  readonly restarts: number[];
}

const isPlace = (x: unknown): x is number => Number.isInteger(x) && (x as number) >= 1 && (x as number) < 100;

/** The rule of `restarts`. */
export const restartsOption: Option<readonly number[] | undefined> = {
  default: undefined,
  wrong: (value) =>
    value === undefined || (isListOf(value, isPlace) && value.every((at, i) => i === 0 || at > value[i - 1]!))
      ? undefined
      : 'must be a rising list of whole numbers in [1, 99]',
};

const roundingOf = (dtype: Dtype | undefined): number =>
  dtype === 'f16' || dtype === 'bf16' ? roundingOfGram.half : roundingOfGram.single;
const isStable = (iteration: Iteration, restarts: readonly number[], dtype: Dtype | undefined): boolean =>
  conditionOfSteps(iteration, restarts, roundingOf(dtype)) < worstCondition;

/** The form that options ask for; `auto` keeps to plain steps where the Gram matrix would lose all digits. */
export function formOf(iteration: Iteration, { method, restarts, dtype }: FormOptions): Form {
  if (method === 'polar' || method === 'newton-schulz') return { method, restarts: [] };
  if (restarts) return { method, restarts: [...restarts] };
  const best = bestRestarts(iteration);
  if (method === 'auto' && !isStable(iteration, best, dtype)) return { method: 'newton-schulz', restarts: [] };
  return { method, restarts: [...best] };
}

function checkPolar(where: string, names: FormNames, options: FormOptions): void {
  const { coefficients, nsSteps, dtype, scaling } = options;
  if (scaling === 'aol')
    throw refusal(where, names.scaling, `be one that keeps the polar factor for ${names.method} polar`, scaling);
  for (const [option, value] of Object.entries({ coefficients, nsSteps }))
    if (value !== undefined)
      throw refusal(where, option, `be left out for ${names.method} polar, which has its own steps`, shown(value));
  if (dtype === 'f16' || dtype === 'bf16')
    throw refusal(where, names.dtype, `be f32 or f64 for ${names.method} polar`, dtype);
}

function checkRestarts(where: string, names: FormNames, iteration: Iteration, options: FormOptions): void {
  const { method, restarts = [], dtype } = options;
  const steps = iteration.coefficients.length / 3;
  const refuse = (must: string, got: string): never => {
    throw refusal(where, names.restarts, must, got);
  };
  if (method !== 'gram' && method !== 'auto') refuse(`be left out for ${names.method} ${method}`, shown(restarts));
  const last = restarts.at(-1) ?? 0;
  if (last >= steps && last > 0) refuse(`be below the number of steps, ${steps}`, String(last));
  if (steps > 5 && restarts.length < 2) refuse('be two or more for more than five steps', String(restarts.length));
  if (!isStable(iteration, restarts, dtype)) {
    const condition = conditionOfSteps(iteration, restarts, roundingOf(dtype));
    refuse('keep the condition of what is between two below 1e8', condition.toExponential(1));
  }
}

/** Throws for options of an iteration that contradict each other, or that would be ignored. */
export function checkForm(where: string, names: FormNames, iteration: Iteration, options: FormOptions): void {
  const { method, restarts, dtype } = options;
  if (method === 'polar') checkPolar(where, names, options);
  if (restarts) checkRestarts(where, names, iteration, options);
  else if (method === 'gram' && !isStable(iteration, bestRestarts(iteration), dtype))
    throw refusal(
      where,
      names.method,
      'be newton-schulz for coefficients whose steps lose all digits on the Gram matrix, whatever the restarts',
      `gram with ${names.dtype} ${dtype ?? 'f32'}`,
    );
}
