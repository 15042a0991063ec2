// Signs of one font found among those of another, emoji of one house among those of another, and words among words.
import { experimentOf } from '../parts.mjs';
import { drawFound, judge, pageOf, pairOf } from './page.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 2;
/** @type {readonly import('./run.mjs').Settings[]} */
const all = [
  { kind: 'letters', from: 'sans', to: 'serif' },
  { kind: 'letters', from: 'serif', to: 'mono' },
  { kind: 'letters', from: 'sans', to: 'bold' },
  { kind: 'emoji', from: 'noto', to: 'fluent' },
  { kind: 'emoji', from: 'fluent', to: 'noto' },
  { kind: 'words' },
].map((own) => /** @type {import('./run.mjs').Settings} */ ({ revision, size: 'full', ...own }));
/** Tiny ones are of the packages that are here, and of words whose vectors are made. @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [...all] : [all[0], all[3], all[5]].map((own) => ({ ...own, size })));

export const experiment = experimentOf({
  ...{ name: 'retrieval', settings, run, judge, pageOf, each: 'a few seconds, and half a minute for words' },
  nameOf: pairOf,
  groupOf: ({ kind }) => kind,
  figures: (runs) => ({
    head: ['queries', 'signs', 'first', 'among five', 'f16', 'i8'],
    rows: runs.map((own) =>
      own.kind === 'words'
        ? [pairOf(own), `${own.asked}`, '', '', ...own.same.slice(1).map((/** @type {number} */ x) => x.toFixed(3))]
        : [pairOf(own), `${own.signs.length}`, ...[own.first, own.five, ...own.same].map((x) => x.toFixed(3))],
    ),
  }),
  draw: drawFound,
});
