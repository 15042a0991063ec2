import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';
import { SemidualPoint } from './semidual-point.ts';

/** Pairs of steps and changes of the gradient that are kept. */
const memory = 10;
/** Armijo's share of the slope that a step must gain. */
const sufficient = 1e-4;
/** Below this, in units of eps, a gain is of the size of the rounding of the semi-dual. */
const tinyGain = 64 * 2 ** -52;
/** There a step is good that does not go far beyond the maximum along it, to where the slope is more than so many times as steep downhill, … */
const overshoot = 0.8;
/** … and its error at most so many times the least so far. */
const mostGrowth = 1.5;
/** Evaluations there in which the error must halve, lest numbers be at their end. */
const mostTiny = 100;
/** Halvings of a step before the search gives up. */
const mostHalvings = 30;

interface Change {
  readonly step: Float64Array;
  readonly gradient: Float64Array;
  /** 1 / (step · gradient) */
  readonly inverse: number;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; ++i) sum += x[i]! * y[i]!;
  return sum;
}

/** Nocedal's two loops; where nothing is known of the curvature, a row's share of it is its mass. */
function directionOf(gradient: Float64Array, masses: Float64Array, changes: readonly Change[]): Float64Array {
  const direction = Float64Array.from(gradient);
  const weights: number[] = [];
  const move = (by: number, along: Float64Array): void => {
    for (let i = 0; i < direction.length; ++i) direction[i]! += by * along[i]!;
  };
  for (const change of [...changes].reverse()) {
    const weight = change.inverse * dot(change.step, direction);
    weights.unshift(weight);
    move(-weight, change.gradient);
  }
  const last = changes.at(-1);
  const scaled = last?.gradient.map((x, i) => (masses[i] === 0 ? 0 : x / masses[i]!));
  const scale = last && scaled ? 1 / (last.inverse * dot(last.gradient, scaled)) : 1;
  for (let i = 0; i < direction.length; ++i) direction[i] = masses[i] === 0 ? 0 : (scale * direction[i]!) / masses[i]!;
  for (const [k, change] of changes.entries()) {
    move(weights[k]! - change.inverse * dot(change.gradient, direction), change.step);
  }
  return direction;
}

/** How L-BFGS ended, at which L1 error of the rows, after so many evaluations. */
export interface LbfgsEnd {
  readonly end: SolverEnd;
  readonly error: number;
  readonly evaluations: number;
}

/** Maximizes the semi-dual by L-BFGS, until the L1 error of the rows is at most `tol` or so many evaluations are done. */
export async function lbfgs(plan: ScaledPlan, masses: Float64Array, tol: number, most: number): Promise<LbfgsEnd> {
  const point = new SemidualPoint(plan);
  const { control } = plan;
  const gradientOf = async (sums: typeof point.rowSums): Promise<Float64Array> => {
    const numbers = await control.read(sums);
    return numbers.map((s, i) => (masses[i] === 0 ? 0 : masses[i]! - s));
  };
  let { error } = await point.evaluate();
  let gradient = await gradientOf(point.rowSums);
  let changes: Change[] = [];
  let least = error;
  let [toHalve, tinyLeft] = [error, mostTiny];
  for (let evaluations = 1; ; ) {
    control.report(plan.eps, error);
    if (error <= tol) return { end: 'converged', error, evaluations };
    const direction = directionOf(gradient, masses, changes);
    const slope = dot(gradient, direction);
    let length = 1;
    for (let halvings = 0; ; ++halvings) {
      if (evaluations >= most) return { end: 'max-iterations', error, evaluations };
      evaluations += 1;
      const step = direction.map((x) => length * x);
      point.step.write(step);
      point.queue(true);
      const trial = await point.read();
      const isTiny = length * slope < tinyGain;
      if (isTiny && tinyLeft-- <= 0) return { end: 'at-precision', error, evaluations };
      const next = await gradientOf(point.trialRowSums);
      // Where the semi-dual cannot tell points apart, its slope does (Hager and Zhang's approximate Wolfe conditions). The L1 error
      // need not fall with each step: to ask for that is to end in steps of the size of rounding.
      const isBetter = isTiny
        ? dot(next, direction) >= -overshoot * slope && trial.error <= mostGrowth * least
        : trial.increase >= sufficient * length * slope;
      if (isBetter && trial.largest <= plan.limit) {
        point.accept(trial);
        error = trial.error;
        least = Math.min(least, error);
        if (error <= toHalve / 2) [toHalve, tinyLeft] = [error, mostTiny];
        const change = gradient.map((x, i) => x - next[i]!);
        gradient = next;
        const curvature = dot(step, change);
        if (curvature > 1e-10 * dot(change, change))
          changes = [...changes, { step, gradient: change, inverse: 1 / curvature }].slice(-memory);
        break;
      }
      if (halvings === mostHalvings || (isTiny && halvings > 3)) {
        if (changes.length === 0) return { end: 'at-precision', error, evaluations };
        changes = [];
        break;
      }
      length /= 2;
    }
  }
}
