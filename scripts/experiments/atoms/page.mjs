// docs/experiments/atoms.md, from recorded runs, and its picture.
import { markdown, mean, opening, savePicture } from '../parts.mjs';
import { beside } from '../photographs.mjs';
import { inEach } from '../verdicts.mjs';
import { cosines, counts, dim, flat, side, told } from './patches.mjs';
import { names, sizes } from './run.mjs';

/** Titles of pictures, and of ways. */
const titles = { alps: 'the Alps', airplane: 'an airplane', boats: 'boats' };
const ways = { cosines: 'cosines (DCT)', components: 'principal components', atoms: 'learnt atoms' };
/** The numbers of coefficients by which verdicts go. */
const judged = [4, 8];

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const lefts = (/** @type {any} */ one, /** @type {string} */ way) =>
    judged.map((count) => one[way].left[counts.indexOf(count)]);
  const less = (/** @type {'seen' | 'unseen'} */ where, /** @type {string} */ other) => {
    const compare = (/** @type {any} */ run, /** @type {1 | -1} */ sign) => {
      const theirs = lefts(run[where], other);
      return lefts(run[where], 'atoms').every((left, i) => sign * (theirs[i] - left) > 0);
    };
    return inEach(
      runs,
      (run) => compare(run, 1),
      (run) => compare(run, -1),
    );
  };
  return {
    seen: less('seen', 'cosines'),
    unseen: less('unseen', 'cosines'),
    components: less('unseen', 'components'),
  };
}

const percent = (/** @type {number} */ x) => `${(100 * x).toFixed(1)} %`;

/** @param {readonly any[]} runs */
export const figures = (runs) => ({
  head: ['photograph', 'basis', ...counts.map((count) => `left by ${count}`), `for ${100 * told} %`],
  rows: names.flatMap((name) => {
    const own = runs.filter(({ kept }) => kept === name);
    if (own.length === 0) return [];
    return Object.entries(ways).map(([way, title]) => {
      const all = own.map(({ unseen }) => unseen[way]);
      const lefts = counts.map((_, i) => percent(mean(all.map(({ left }) => left[i]))));
      return [titles[name], title, ...lefts, mean(all.map(({ needed }) => needed)).toFixed(1)];
    });
  }),
});

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const { seen, unseen, components } = judge(runs);
  const { head, rows } = figures(runs);
  const { width, learn, ask, updates, batch } = sizes.full;
  const gaps = [0, 1].map((i) => mean(runs.map((run) => run.gaps[i])).toExponential(1));
  return `${[
    ...opening('Atoms of photographs', 'atoms', effort),
    `\`OnlineOrthogonalDictionary\` (power 3) learns ${dim} orthogonal atoms of ${side} × ${side} pixels from patches of two of three photographs (the Alps, an airplane, boats of Nagasaki: packages of stdlib; the Getty's Open Content Program), ${width} pixels wide: brightness less the patch's own mean, ${learn} patches of each whose norm is at least ${flat}, ${updates} updates of batches of ${batch}. The mean gap falls from ${gaps[0]} over the first updates to ${gaps[1]} over the last.`,
    '![Learnt atoms, those first that carry most, and cosines by their frequencies](../images/experiment-atoms.png)',
    `Left: the atoms of the Alps and the airplane, the one that carries most energy of their patches first; the last of all, the constant, is what the others leave, as the mean of patches is gone. Right: the cosines of the DCT, by which JPEG codes patches of the same size.`,
    `Both, and the principal components of the same patches, are asked about ${ask} patches of the photograph that nothing was learnt from, each in turn. As the bases are orthonormal, the best code of so many atoms has the largest products: the share of all energy that is left by these, and the number that a patch needs for ${100 * told} % of its own. Means of 3 seeds:`,
    markdown(head, rows),
    '## Verdicts',
    `**Atoms make the photographs sparser from which they were learnt than the DCT does (arXiv 2103.01484): *${seen}*.** The rule: less energy is left by 4 and by 8 coefficients, on patches drawn anew from the two photographs, of which a fifth are among those learnt from, at each seed and with each photograph kept aside.`,
    `**They do the same to a photograph that they have not seen: *${unseen}*.** The rule: the same, on the photograph that was kept aside.`,
    `**And better than principal components: *${components}*.** The rule: the same, against the components of the patches that the atoms learnt from.`,
    `Tried before, at one seed: after 600 updates the atoms were behind the DCT on two photographs of three; power 4 was ahead of 3 then, and no longer after 6000 updates, on the two photographs that were asked about; patches brought to norm 1 made no difference on the Alps then, and harmed on the airplane. The size of ${updates} updates was taken after that was seen. Which patches count, the size of photographs and the exponents of the shares are ours: the paper has no program.`,
  ].join('\n\n')}\n`;
}

/** Atoms side by side, middle gray for 0. @param {readonly (readonly number[])[]} atoms whole numbers up to 127 @param {number} margin on the right */
function grid(atoms, margin = 0) {
  const step = side + 1;
  const rows = side * step - 1;
  const columns = rows + margin;
  const values = new Float64Array(rows * columns).fill(1);
  for (const [k, atom] of atoms.entries())
    for (const [i, x] of atom.entries()) {
      const row = Math.floor(k / side) * step + Math.floor(i / side);
      values[row * columns + (k % side) * step + (i % side)] = 0.5 + x / 255;
    }
  return { rows, columns, values };
}

/** @param {readonly any[]} runs @param {string} folder @returns {string[]} the files */
export function draw(runs, folder) {
  const { shown } = runs.find((run) => run.shown);
  const waves = cosines();
  const theirs = Array.from({ length: dim }, (_, k) => {
    const atom = Array.from(waves.subarray(k * dim, (k + 1) * dim));
    const most = Math.max(...atom.map(Math.abs));
    return atom.map((x) => Math.round((127 * x) / most));
  });
  return savePicture(beside([grid(shown, 3), grid(theirs)], 4), folder, 'experiment-atoms');
}
