import type { Device } from '../core/device.ts';
import { Owned } from '../core/owned.ts';
import type { TaskOptions } from '../core/task.ts';
import type { Settings, TransportStatus } from './options.ts';
import type { CostRange } from './problem/cost.ts';
import { annealBySweeps } from './solvers/anneal.ts';
import { Control } from './solvers/control.ts';
import type { SolverEnd } from './solvers/newton.ts';

/** A solver whose problem has been read and checked. */
export interface Engine<R> {
  readonly range: Pick<CostRange, 'least' | 'most' | 'isReachable'>;
  /** Sweeps at an eps above its value; without it, the solver lowers eps by itself. */
  readonly sweep: ((count: number, eps: number) => Promise<void>) | undefined;
  /** At eps itself, until the error is small enough or a bound is met. */
  run(): Promise<SolverEnd>;
  /** The result at the point that was reached, by a solver that ended like this; it takes its tensors with it. */
  result(end: TransportStatus): Promise<R>;
}

type SolveSettings<P> = Pick<Settings, 'eps' | 'anneal' | 'maxSweeps'> & TaskOptions<P> & { maxNewton?: number };

/**
 * The way of all transport problems, one, many or a barycenter: read and check, lower eps, solve, measure. What `begin`
 * and the solver add to `owned` goes when the call ends. The costs are taken over: they belong to the result, or go
 * with the call.
 */
export async function solve<R, P>(
  costs: { readonly device: Device; dispose(): void },
  settings: SolveSettings<P>,
  begin: (control: Control<P>, owned: Owned) => Promise<Engine<R>>,
): Promise<R> {
  using owned = new Owned();
  owned.add(costs);
  using control = new Control(costs.device, settings);
  const engine = await begin(control, owned);
  let end: TransportStatus = 'infeasible';
  if (engine.range.isReachable) {
    if (engine.sweep) await annealBySweeps(settings, engine.range, control, engine.sweep);
    end = await engine.run();
  }
  const result = await engine.result(end);
  owned.release(costs);
  return result;
}
