// docs/experiments/cloning.md, from recorded runs, and its picture.
import { Device, Tensor } from 'orthokit';
import { cdmSolve, poissonOperator } from 'orthokit/constrained';
import { markdown, opening, savePicture } from '../parts.mjs';
import { beside } from '../photographs.mjs';
import { inEach } from '../verdicts.mjs';
import { cycle } from './cycle.mjs';
import { sizes, tolerance, ways } from './run.mjs';
import { pasted, sceneOf } from './scene.mjs';

const titles = { cg: '`cg`', untrained: 'the cycle before it learns', byHand: 'weights by hand', learnt: 'learnt' };
/** Iterations that the largest size may take beyond the smallest, and how many times fewer than `cg` it must take. */
const [more, times] = [3, 8];
/** A side of the square in the picture. */
const shown = 127;

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const counts = (/** @type {any} */ { found }, /** @type {string} */ way) =>
    found.map((/** @type {any} */ one) => one[way]);
  const last = (/** @type {any} */ { found }) => found.at(-1);
  return {
    size: inEach(runs, (run) => Math.max(...counts(run, 'learnt')) <= Math.min(...counts(run, 'learnt')) + more),
    fewer: inEach(runs, (run) => times * last(run).learnt < last(run).cg),
    hand: inEach(
      runs,
      (run) => last(run).learnt < last(run).byHand,
      (run) => last(run).learnt > last(run).byHand,
    ),
  };
}

/** @param {readonly any[]} runs */
export const figures = (runs) => ({
  head: ['unknowns', ...ways.map((way) => titles[way])],
  rows: runs[0].found.map((/** @type {any} */ { n }, /** @type {number} */ i) => [
    `${n} × ${n}`,
    ...ways.map((way) => {
      const all = runs.map(({ found }) => found[i][way]);
      return (way === 'learnt' ? all : [...new Set(all)]).join(', ');
    }),
  ]),
});

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { size, fewer, hand } = judge(runs);
  const { head, rows } = figures(runs);
  const { n, each, steps } = sizes.full.learn;
  const apart = Math.max(...runs.flatMap(({ found }) => found.map((/** @type {any} */ one) => one.apart)));
  return `${[
    ...opening('Seamless cloning by learnt directions', 'cloning', effort),
    'A square of the Alps goes into the sky above boats of Nagasaki (photographs of the Getty, CC0, of two packages of stdlib). Inside, the slopes of brightness are those of the Alps; around it, brightness is that of the sky: a Poisson equation for all pixels of the square.',
    '![The square as it is, and cloned](../images/experiment-cloning.png)',
    `\`cdmSolve\` takes directions from a multigrid cycle with five coefficients, shared by all levels (\`scripts/experiments/cloning/cycle.mjs\`). They are learnt by \`cdmLoss\` on ${n} × ${n} points, ${3 * each} right-hand sides that are no pictures and ${steps} steps of Adam: ` +
      `the loss falls from ${runs.map(({ first }) => first.toPrecision(2)).join(', ')} to ${runs.map(({ last }) => last.toPrecision(2)).join(', ')} at 3 seeds. Iterations to a residual of ${tolerance} of the first one:`,
    markdown(head, rows),
    `Pixels differ by ${apart.toExponential(0)} at most from those of \`cg\`; black is 0 and white 1. Coefficients: ${runs.map(({ coefficients }) => coefficients.map((/** @type {number} */ x) => x.toFixed(3)).join(' ')).join('; ')}.`,
    '## Verdicts',
    `**Learnt on one size, directions take as many iterations on others (arXiv 2205.10763): *${size}*.** The rule: at each seed at most ${more} more on the size that takes most than on the one that takes least, of which one size only was learnt on.`,
    `**Far fewer than conjugate gradients: *${fewer}*.** The rule: less than an eighth on the largest size, at each seed.`,
    `**Fewer than the same cycle with weights by hand: *${hand}*.** The rule: on the largest size, at each seed. By hand it smooths by 0.2 of the residual before and after, and adds the coarse grid's answer as it is.`,
    'The paper learns a network of three dimensions; this cycle is ours, small enough to be learnt here. An iteration is dearer than one of `cg`: beside its product with the matrix, the cycle takes four stencils on the grid, and a third of that on all coarser ones together.',
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export async function draw([{ coefficients }], folder) {
  const device = Device.open('cpu');
  const scene = sceneOf(shown);
  const b = Tensor.from(device, scene.b, [shown * shown]);
  const { x } = await cdmSolve(
    poissonOperator(device, [shown, shown]),
    b,
    async (r, out) => out.write(cycle(/** @type {Float64Array} */ (await r.read()), shown, coefficients)),
    { tol: tolerance },
  );
  const pictures = [pasted(scene, scene.source.values, shown), pasted(scene, await x.read(), shown)];
  await device.close();
  return savePicture(beside(pictures), folder, 'experiment-cloning');
}
