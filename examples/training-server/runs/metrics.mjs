/**
 * The part of a report whose steps are not in the journal yet. A run that goes on from a checkpoint takes the steps after
 * it again, with the same numbers: they are told once.
 *
 * @param {{ first: number, columns: Record<string, (number | string)[]> }} report numbers of steps `first`, `first` + 1, …
 * @param {number} known the last step that is in the journal
 * @returns {{ first: number, columns: Record<string, (number | string)[]> } | undefined}
 */
export function unknownPart({ first, columns }, known) {
  const skipped = Math.max(0, known + 1 - first);
  const rest = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values.slice(skipped)]));
  return rest.loss.length > 0 ? { first: first + skipped, columns: rest } : undefined;
}
