/**
 * A frozen copy of at most six sizes, each of which is read once: one too many tells of more. V8 takes long to copy a
 * frozen list as a whole.
 */
export function frozenSizes(sizes: readonly number[]): readonly number[] {
  const copy: number[] = [];
  for (let i = 0; i < 6 && i < sizes.length; ++i) copy.push(sizes[i]!);
  return Object.freeze(copy);
}

/** True for shapes of the same sizes; a string of each would cost ten times as much. */
export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; ++i) if (a[i] !== b[i]) return false;
  return true;
}
