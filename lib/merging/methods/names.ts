/** A way to merge models, see {@link mergeModels}. */
export type MergeMethod = 'average' | 'arithmetic' | 'ties' | 'opcm';
/** All of them. */
export const mergeMethods: readonly MergeMethod[] = ['average', 'arithmetic', 'ties', 'opcm'];
