import process from 'node:process';
import { OrthokitError } from '../core/errors.ts';
import type { TransportStatus } from './options.ts';

/** The part of a result that says how its solver ended. */
interface Ended {
  readonly status: TransportStatus | readonly TransportStatus[];
  readonly marginalError: number | Float64Array;
}

let hasWarned = false;

/** The complaint about a result, or the first problem of a batch, that has not converged. */
function complaint(op: string, { status, marginalError }: Ended): string {
  if (typeof status === 'string')
    return `${op}: status must be converged, got ${status} at a marginal error of ${marginalError}`;
  const open = [...status.keys()].filter((k) => status[k] !== 'converged');
  const [first] = open as [number];
  const error = (marginalError as Float64Array)[first];
  return `${op}: status must be converged for all ${status.length} problems, got ${status[first]} for problem ${first}, at a marginal error of ${error}, and ${open.length - 1} more that have not`;
}

/**
 * Hands a result back, if it may be. One warning a process tells of results that are wrong; one that is as right as
 * numbers allow is none.
 * @throws ERR_NOT_CONVERGED with the result as its cause, where the caller asked for it
 */
export function settled<R extends Ended>(op: string, result: R, isThrown: boolean): R {
  const list: readonly TransportStatus[] = typeof result.status === 'string' ? [result.status] : result.status;
  if (isThrown && list.some((status) => status !== 'converged'))
    throw new OrthokitError('ERR_NOT_CONVERGED', complaint(op, result), { cause: result });
  if (!hasWarned && list.some((status) => status === 'max-iterations' || status === 'infeasible')) {
    hasWarned = true;
    process.emitWarning(complaint(op, result), {
      type: 'OrthokitWarning',
      code: 'ORTHOKIT_NOT_CONVERGED',
      detail:
        'Look at `status`, or pass throwUnlessConverged: true. Later results that have not converged give no warning.',
    });
  }
  return result;
}
