// docs/experiments/softmax.md, from recorded runs and from counts of SciPy, and its picture.
import { readFileSync } from 'node:fs';
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, mean, opening } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { sizes } from './problems.mjs';
import { data, penalties, tolerance } from './run.mjs';

/** @typedef {{ data: string, l2: number, seed: number, scipy: string, 'trust-ncg': any, 'trust-krylov': any }} Peer */
/** @type {readonly Peer[]} */
const peers = JSON.parse(readFileSync(new URL('scipy.json', import.meta.url), 'utf8'));
const methods = /** @type {const} */ (['gns', 'lbfgs', 'trust-ncg', 'trust-krylov']);
const titles = {
  gns: '`gnsMinimize`',
  lbfgs: '`lbfgs`',
  'trust-ncg': 'SciPy trust-ncg',
  'trust-krylov': 'SciPy trust-krylov',
};

/** Each run with the counts of SciPy, where its problem is one of these. @param {readonly any[]} runs */
const joined = (runs) =>
  runs.map((run) => {
    const peer =
      run.size === 'full' && peers.find((one) => one.data === run.data && one.l2 === run.l2 && one.seed === run.seed);
    return { ...(peer || { 'trust-ncg': undefined, 'trust-krylov': undefined }), ...run };
  });
/** A gradient takes two products with the data, one with the Hessian three, a value by itself one: in gradients. @param {any} asked */
const work = ({ gradients, products, values = 0 }) => gradients + 1.5 * products + Math.max(0, values - gradients) / 2;

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const all = joined(runs);
  const withPeers = all.filter((run) => run['trust-ncg']);
  const isSame = (/** @type {any} */ run) => Math.abs(run.gns.value - run.lbfgs.value) < 1e-6;
  return {
    steps: inEach(all, (run) => isSame(run) && 5 * run.gns.gradients < run.lbfgs.gradients),
    work: inEach(
      all,
      (run) => isSame(run) && work(run.gns) < work(run.lbfgs),
      (run) => work(run.gns) > work(run.lbfgs),
    ),
    trust: inEach(withPeers, (run) => run.gns.gradients <= run['trust-ncg'].gradients),
  };
}

/** @param {readonly any[]} runs */
export function figures(runs) {
  const all = joined(runs);
  const rows = data.flatMap((name) =>
    penalties.flatMap((l2) =>
      methods.flatMap((method) => {
        const own = all.filter((run) => run.data === name && run.l2 === l2).flatMap((run) => run[method] ?? []);
        if (own.length === 0) return [];
        const list = (/** @type {(asked: any) => number} */ value) =>
          own.map((one) => `${Math.round(value(one))}`).join(', ');
        return [[name, `${l2}`, titles[method], list((one) => one.gradients), list((one) => one.products), list(work)]];
      }),
    ),
  );
  return { head: ['data', 'penalty', 'method', 'gradients', 'products', 'work'], rows };
}

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const { steps, work: all, trust } = judge(runs);
  const { head, rows } = figures(runs);
  return `${[
    ...opening('Softmax regression by Newton steps', 'softmax', effort),
    `${sizes.full} digits of 14 × 14 pixels (10 classes), and ${sizes.full} messages of the TypeScript compiler in 8 languages, by how often words are in them that fall into 256 columns by a hash. ` +
      `From weights of 0 to a gradient of norm ${tolerance}, in f64, at 3 seeds, each with other samples. *Work* is in gradients: a gradient takes two products of the data with a matrix, a product with the Hessian three, a value alone one.`,
    markdown(head, rows),
    '![Work of each method](../images/experiment-softmax.png)',
    `Counts of SciPy ${peers[0].scipy} are recorded in \`scripts/experiments/softmax/scipy.json\`, by \`node scripts/peers/softmax.mjs\`.`,
    '## Verdicts',
    `**Newton steps with gradient-normalized smoothness (arXiv 2506.13710) need few gradients: *${steps}*.** The rule: on each problem less than a fifth of those of L-BFGS, to the same value within 10⁻⁶.`,
    `**They take less work in all, products with the Hessian counted: *${all}*.** The rule: on each problem less than L-BFGS.`,
    `**They need no more gradients than a trust region does: *${trust}*.** The rule: on each problem no more than SciPy's trust-ncg.`,
    'Each step is solved by conjugate gradients to a tenth of its right side and less, and these products are where the work goes. Where a factor of the Hessian is at hand or the matrix is small, `dense` and `lowrank` take none.',
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export function draw(runs, folder) {
  const all = joined(runs);
  const values = data.flatMap((name) =>
    penalties.flatMap((l2) =>
      methods.flatMap((method) => {
        const own = all.filter((run) => run.data === name && run.l2 === l2 && run[method]).map((run) => run[method]);
        if (own.length === 0) return [];
        const at = { problem: `${name}, penalty ${l2}`, method: titles[method].replaceAll('`', '') };
        return [
          { ...at, count: mean(own.map((one) => one.gradients)), part: 'gradients' },
          { ...at, count: mean(own.map((one) => work(one) - one.gradients)), part: 'products' },
        ];
      }),
    ),
  );
  const specification = {
    ...{ ...style, data: { values }, mark: { type: 'bar' }, width: 130, height: 220 },
    encoding: {
      column: { field: 'problem', type: 'nominal', title: null, sort: null },
      x: { field: 'method', type: 'nominal', title: null, sort: null, axis: { labelAngle: -40 } },
      y: { field: 'count', type: 'quantitative', title: 'work, in gradients' },
      color: { field: 'part', type: 'nominal', title: null, sort: null, scale: { range: [colors[1], colors[2]] } },
    },
  };
  return drawChart(/** @type {any} */ (specification), {
    folder,
    name: 'experiment-softmax',
    kinds: ['png'],
    zoom: 1.5,
  });
}
