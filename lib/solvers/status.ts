/** The reason why a solver ended, in the words of all methods. */
export type SolverStatus =
  | 'converged'
  | 'max-iterations'
  | 'at-precision'
  | 'diverged'
  | 'infeasible'
  | 'search-failed'
  | 'breakdown'
  | 'budget';
