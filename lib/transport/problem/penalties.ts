/** Price, in units of the cost, of a marginal that is not the given one; infinity fixes it. */
export interface Penalties {
  readonly rows: number;
  readonly columns: number;
}

export const balanced: Penalties = { rows: Infinity, columns: Infinity };

/** Both marginals have to be as given. */
export const isBalanced = ({ rows, columns }: Penalties): boolean => rows === Infinity && columns === Infinity;
