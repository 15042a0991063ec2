// docs/experiments/denoise.md, from recorded runs, and its pictures.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, opening, savePicture } from '../parts.mjs';
import { beside } from '../photographs.mjs';
import { inEach } from '../verdicts.mjs';
import { dim, side } from './patches.mjs';
import { beta, blurWidth, noise, sizes, tried } from './run.mjs';

const titles = {
  ...{ noisy: 'noisy', denoisedByTv: 'total variation', denoised: 'learnt' },
  ...{ blurred: 'blurred and noisy', deblurredByTv: 'total variation', deblurred: 'learnt, by `pnpAdmm`' },
};
/** @param {any} run @param {string} kind of patches @returns {number[]} of each patch, the prior at the full length */
const ends = ({ prior: { curves } }, kind) =>
  curves
    .find((/** @type {any} */ curve) => curve.kind === kind)
    .values.map((/** @type {number[]} */ values) => values.at(-1));
const median = (/** @type {readonly number[]} */ x) => x.toSorted((a, b) => a - b)[x.length >> 1];

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const better = (/** @type {string} */ own, /** @type {string} */ other) =>
    inEach(
      runs,
      ({ decibels }) => decibels[own] > decibels[other],
      ({ decibels }) => decibels[own] < decibels[other],
    );
  const isSolved = (/** @type {any} */ { prior }) =>
    prior.curves.every((/** @type {any} */ { status }) => status === 'converged');
  return {
    denoise: better('denoised', 'denoisedByTv'),
    deblur: better('deblurred', 'deblurredByTv'),
    prior: inEach(
      runs,
      (run) => isSolved(run) && Math.max(...ends(run, 'photograph')) < Math.min(...ends(run, 'noise')),
      (run) => median(ends(run, 'photograph')) > median(ends(run, 'noise')),
    ),
  };
}

/** @param {readonly any[]} runs */
export const figures = (runs) => ({
  head: ['picture', 'decibels'],
  rows: Object.entries(titles).map(([key, title]) => [
    title,
    runs.map(({ decibels }) => decibels[key].toFixed(2)).join(', '),
  ]),
});

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { denoise, deblur, prior } = judge(runs);
  const { hidden, layers, steps, batch, iterations, side: length } = sizes.full;
  const best = (/** @type {string} */ key) => runs.map((run) => run.best[key]).join(', ');
  return `${[
    ...opening('Photographs without noise and blur', 'denoise', effort),
    `\`LearnedProximal\` (${layers} layers of ${hidden}) learns to take noise of deviation ${noise.plain} from patches of ${side} × ${side} pixels, brightness from 0 to 1 less its mean, of two photographs, the Alps and an airplane: ${steps} steps of batches of ${batch} on the squared error. ` +
      `It is asked about squares of ${length} × ${length} pixels of a third one, boats of Nagasaki (packages of stdlib; the Getty's Open Content Program), another square at each of 3 seeds. All overlapping patches, of which every second one is taken along both axes, are averaged, which is a proximal operator again.`,
    `Weights of total variation (${best('weights')}; of blurred pictures ${best('blurredWeights')}) and ρ of \`pnpAdmm\` (${best('rhos')}, ${iterations} iterations) are those that are best on a square of the Alps, of three or four; where it is the first or the last of these, a better one may lie beyond. Decibels (PSNR), blur of ${blurWidth} pixels with noise of ${noise.blurred}:`,
    markdown(figures(runs).head, figures(runs).rows),
    '![From left to right: clean, noisy, total variation, learnt; below: clean, blurred, total variation, learnt](../images/experiment-denoise.png)',
    '![The learnt prior along patches of photographs and of noise](../images/experiment-denoise-prior.png)',
    `R of \`prior\` is drawn from a flat patch to ones of length 1, of photographs that were not learnt from and of noise: where R is large a patch is unlikely; the operator of a squared error belongs to the mean of what a noisy patch can have been, and that of its prior is smoother than −ln of a density. At the end it is ${runs.map((run) => `${median(ends(run, 'photograph')).toFixed(2)} against ${median(ends(run, 'noise')).toFixed(2)}`).join(', ')} by the median.`,
    '## Verdicts',
    `**A proximal operator that is learnt takes more noise away than total variation (arXiv 2310.14344): *${denoise}*.** The rule: more decibels at each seed.`,
    `**It takes more blur away, though it never saw any: *${deblur}*.** The rule: more decibels at each seed.`,
    `**Its prior knows photographs from noise: *${prior}*.** The rule: R of each patch of noise is above that of each patch of a photograph, all of length 1, at each seed.`,
    `Tried were ${tried.weights.join(', ')} and ${tried.blurredWeights.join(', ')} for total variation, and ${tried.rhos.join(', ')} for ρ. The paper's networks are convolutions, learnt from many pictures; two photographs and ${dim} numbers a patch are what fits here. An earlier form, whose patches ended at the edges of a picture, left noise there and lost to total variation at each seed; patches that go on at the other end, and a sharper softplus (β ${beta}), were taken after that was seen.`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export async function draw(runs, folder) {
  const [{ pictures, prior }] = runs;
  const columns = sizes.full.side;
  const row = (/** @type {readonly string[]} */ keys) =>
    beside(
      keys.map((key) => ({ rows: columns, columns, values: Float64Array.from(pictures[key], (x) => x / 255) })),
      2,
    );
  const [above, below] = [
    row(['clean', 'noisy', 'denoisedByTv', 'denoised']),
    row(['clean', 'blurred', 'deblurredByTv', 'deblurred']),
  ];
  const gap = new Uint8Array(4 * above.width * 4).fill(255);
  const pixels = new Uint8Array([...above.pixels, ...gap, ...below.pixels]);
  const height = above.height + 4 + below.height;
  const files = savePicture({ width: above.width, height, pixels }, folder, 'experiment-denoise');
  const values = prior.curves.flatMap((/** @type {any} */ { kind, values: all }) =>
    all.flatMap((/** @type {number[]} */ curve, /** @type {number} */ i) =>
      curve.map((value, k) => ({ kind, patch: `${kind} ${i}`, length: prior.lengths[k], value })),
    ),
  );
  const chart = {
    ...{ ...style, width: 380, height: 240, data: { values }, mark: { type: 'line', strokeWidth: 1.5 } },
    encoding: {
      x: { field: 'length', type: 'quantitative', title: 'length of the patch' },
      y: { field: 'value', type: 'quantitative', title: 'R, above that of a flat patch' },
      detail: { field: 'patch' },
      color: {
        field: 'kind',
        type: 'nominal',
        title: 'patches of',
        sort: null,
        scale: { range: [colors[1], colors[2]] },
      },
    },
  };
  return [
    ...files,
    ...(await drawChart(/** @type {any} */ (chart), {
      folder,
      name: 'experiment-denoise-prior',
      kinds: ['png'],
      zoom: 1.5,
    })),
  ];
}
