// Claims of papers, each as a method against another one. A claim whose method is not among the contestants is not run yet.

/**
 * @typedef {object} Claim
 * @property {string} text
 * @property {string} source
 * @property {string} method
 * @property {string} [other]
 * @property {'better' | 'as good' | 'zero'} claim `zero` has no other method: the figure is 0 in each run
 * @property {'loss' | 'sharpness' | 'steps' | 'signs'} figure loss at the end, mean sharpness along steps, all steps of a run, share
 *   of weights whose sign changes
 * @property {string} [toward] the method to which the gap is closed
 */

/** @type {readonly Claim[]} */
export const claims = [
  {
    ...{ text: 'AuON ends at a lower loss than AdamW', source: 'arXiv 2509.24320' },
    ...{ method: 'AuON', other: 'AdamW', claim: 'better', figure: 'loss' },
  },
  {
    ...{ text: 'AuON, without products of matrices, ends as low as Muon', source: 'arXiv 2509.24320' },
    ...{ method: 'AuON', other: 'Muon', claim: 'as good', figure: 'loss' },
  },
  {
    ...{ text: 'HybridAuON, with one step of Newton–Schulz, ends as low as Muon', source: 'arXiv 2509.24320' },
    ...{ method: 'HybridAuON', other: 'Muon', claim: 'as good', figure: 'loss' },
  },
  {
    ...{ text: 'NorMuon ends at a lower loss than Muon', source: 'arXiv 2510.05491' },
    ...{ method: 'NorMuon', other: 'Muon', claim: 'better', figure: 'loss' },
  },
  {
    ...{ text: 'Conda ends at a lower loss than AdamW', source: 'jie040109/Conda' },
    ...{ method: 'Conda', other: 'AdamW', claim: 'better', figure: 'loss' },
  },
  {
    ...{
      text: 'A basis of cosines is as good as singular vectors: Trion against Dion, of one rank',
      source: 'arXiv 2505.17967',
    },
    ...{ method: 'Trion', other: 'Dion', claim: 'as good', figure: 'loss' },
  },
  {
    ...{
      text: 'A basis of cosines is as good as singular vectors: DCTAdamW against Conda',
      source: 'arXiv 2505.17967',
    },
    ...{ method: 'DCTAdamW', other: 'Conda', claim: 'as good', figure: 'loss' },
  },
  {
    ...{ text: 'DiffGrad ends at a lower loss than Adam', source: 'diffGrad, Dubey et al. 2020' },
    ...{ method: 'DiffGrad', other: 'AdamW', claim: 'better', figure: 'loss' },
  },
  {
    ...{ text: "Dale's law: exponentiated gradients change the sign of no weight", source: 'arXiv 2510.02730' },
    ...{ method: 'EG', claim: 'zero', figure: 'signs' },
  },
  {
    ...{ text: 'Exponentiated gradients learn as well as SGD, with all signs kept', source: 'arXiv 2510.02730' },
    ...{ method: 'EG', other: 'SGD', claim: 'as good', figure: 'loss' },
  },
  {
    ...{ text: 'Batches that grow end as low as small ones, at equal samples', source: 'arXiv 2402.11215' },
    ...{ method: 'AdaGrad, batches that grow', other: 'AdaGrad, batches of 16', claim: 'as good', figure: 'loss' },
  },
  {
    ...{ text: 'Batches that grow take fewer steps than small ones, at equal samples', source: 'arXiv 2402.11215' },
    ...{ method: 'AdaGrad, batches that grow', other: 'AdaGrad, batches of 16', claim: 'better', figure: 'steps' },
  },
  {
    ...{ text: 'Batches that grow end at a lower loss than large ones, at equal samples', source: 'arXiv 2402.11215' },
    ...{ method: 'AdaGrad, batches that grow', other: 'AdaGrad, batches of 1024', claim: 'better', figure: 'loss' },
  },
  {
    ...{ text: 'Clipped coordinates bring SGD nearer to Adam', source: 'arXiv 2306.00204' },
    ...{ method: 'SGD + clipCoordinates', other: 'SGD', claim: 'better', figure: 'loss', toward: 'AdamW' },
  },
  {
    ...{ text: 'Steps of Adam have a smaller directional sharpness than those of SGD', source: 'arXiv 2306.00204' },
    ...{ method: 'AdamW', other: 'SGD', claim: 'better', figure: 'sharpness' },
  },
  {
    ...{ text: 'Clipped coordinates make the directional sharpness of SGD smaller', source: 'arXiv 2306.00204' },
    ...{ method: 'SGD + clipCoordinates', other: 'SGD', claim: 'better', figure: 'sharpness' },
  },
  {
    ...{
      text: 'Orthogonalized steps have a smaller directional sharpness than those of SGD',
      source: 'ours: not published',
    },
    ...{ method: 'Muon', other: 'SGD', claim: 'better', figure: 'sharpness' },
  },
];
