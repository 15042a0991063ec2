// Atoms learnt from patches of photographs, against cosines and principal components.
import { experimentOf } from '../parts.mjs';
import { draw, figures, judge, pageOf } from './page.mjs';
import { names, run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) =>
  (size === 'full' ? [1, 2, 3] : [1]).flatMap((seed) =>
    (size === 'full' ? names : names.slice(-1)).map((kept) => ({ revision, size, kept, seed })),
  );

export const experiment = experimentOf({
  ...{ name: 'atoms', settings, run, figures, judge, pageOf, draw },
  nameOf: ({ kept, seed }) => `all but ${kept}, seed ${seed}`,
  groupOf: () => 'atoms',
});
