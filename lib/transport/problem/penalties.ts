/** How dear it is, in units of the cost, that a marginal is not the given one; infinity: it must be. */
export interface Penalties {
  readonly rows: number;
  readonly columns: number;
}

export const balanced: Penalties = { rows: Infinity, columns: Infinity };
