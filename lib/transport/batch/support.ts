import { refusal } from '../../core/errors.ts';
import { slack, widestCuts } from '../problem/feasibility.ts';
import { sumOf } from '../problem/potentials.ts';
import type { BatchProblem, Support } from './costs.ts';

/** For each row, then each column: bit 1 for a finite cost, bit 2 for one opposite a mass. */
function reachOf({ rows, columns, stride, costs, a, b }: BatchProblem): [ofRows: Uint8Array, ofColumns: Uint8Array] {
  const [ofRows, ofColumns] = [new Uint8Array(rows), new Uint8Array(columns)];
  for (let i = 0; i < rows; ++i)
    for (let j = 0; j < columns; ++j)
      if (costs[i * stride + j]! < Infinity) {
        ofRows[i]! |= b[j]! > 0 ? 3 : 1;
        ofColumns[j]! |= a[i]! > 0 ? 3 : 1;
      }
  return [ofRows, ofColumns];
}

/** The support of the k-th problem. @throws ERR_ARGUMENT where all pairs of a mass are forbidden */
export function supportOf(op: string, problem: BatchProblem, k: number): Support {
  const { rows, columns, stride, costs, a, b } = problem;
  const [ofRows, ofColumns] = reachOf(problem);
  const sides = [
    ['row', a, ofRows],
    ['column', b, ofColumns],
  ] as const;
  for (const [side, masses, reach] of sides) {
    const bare = masses.findIndex((mass, i) => mass > 0 && reach[i] === 0);
    if (bare >= 0) throw refusal(op, `costs[${k}]`, 'have a finite element for every mass', `none in ${side} ${bare}`);
  }
  if (sides.some(([, masses, reach]) => masses.some((mass, i) => mass > 0 && reach[i] === 1))) return 'barred';
  for (let i = 0; i < rows; ++i)
    if (costs.subarray(i * stride, i * stride + columns).includes(Infinity)) return 'partial';
  return 'whole';
}

/** Does as {@link isProvenInfeasible}, by the potentials of the rows. */
export function isOverfull({ columns, stride, costs, a, b }: BatchProblem, potentials: Float64Array): boolean {
  const total = sumOf(a);
  for (const ours of widestCuts(potentials, a)) {
    const need = ours.reduce((sum, i) => sum + a[i]!, 0);
    let room = 0;
    for (let j = 0; j < columns; ++j) if (ours.some((i) => costs[i * stride + j]! < Infinity)) room += b[j]!;
    if (need > room + slack * total) return true;
  }
  return false;
}
