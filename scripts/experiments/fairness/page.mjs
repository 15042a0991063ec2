// docs/experiments/fairness.md, from recorded runs and from counts of SciPy, and its picture.
import { readFileSync } from 'node:fs';
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, opening, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { counts, digits, penalty, variables } from './problem.mjs';
import { sketchTolerance, tolerance } from './run.mjs';

/** @type {readonly { seed: number, scipy: string, value: number, iterations: number, values: number, gradients: number, success: boolean, violation: number }[]} */
const peers = JSON.parse(readFileSync(new URL('scipy.json', import.meta.url), 'utf8'));
/** The share that may remain of the spread on digits that were not trained on. */
const least = 0.5;

/** @param {readonly { expected: number, wrong: number }[]} errors @param {'expected' | 'wrong'} key the largest less the smallest */
const spread = (errors, key) => Math.max(...errors.map((one) => one[key])) - Math.min(...errors.map((one) => one[key]));
/** @param {any} run */
const peerOf = (run) => (run.size === 'full' ? peers.find(({ seed }) => seed === run.seed) : undefined);

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const withPeers = runs.filter(peerOf);
  return {
    constraint: inEach(runs, ({ fair }) => fair.status === 'converged' && spread(fair.train, 'expected') < 1e-5),
    test: inEach(
      runs,
      ({ free, fair }) => spread(fair.test, 'wrong') < least * spread(free.test, 'wrong'),
      ({ free, fair }) => spread(fair.test, 'wrong') > spread(free.test, 'wrong'),
    ),
    superlinear: inEach(runs, ({ fair: { kkt, alphas } }) => {
      const ratios = kkt.slice(1).map((/** @type {number} */ x, /** @type {number} */ i) => x / kkt[i]);
      const last = ratios.slice(-3);
      const isFalling = last.every(
        (/** @type {number} */ ratio, /** @type {number} */ i) => i === 0 || ratio < last[i - 1],
      );
      return isFalling && alphas.slice(-3).every((/** @type {number} */ alpha) => alpha === 1);
    }),
    sketch: inEach(
      runs.filter(({ block }) => block),
      ({ block }) => block.status === 'converged' && block.apart < 1e-3,
    ),
    fewer: inEach(
      withPeers,
      (run) =>
        run.fair.value < /** @type {any} */ (peerOf(run)).value + 1e-5 &&
        run.fair.iterations < /** @type {any} */ (peerOf(run)).iterations,
    ),
  };
}

/** @param {readonly any[]} runs */
export function figures(runs) {
  const list = (/** @type {readonly any[]} */ errors, /** @type {'expected' | 'wrong'} */ key) =>
    errors.map((one) => percent(one[key])).join(', ');
  const rows = runs.flatMap((run) =>
    /** @type {const} */ (['free', 'fair']).map((way) => {
      const { value, train, test } = run[way];
      return [
        `${run.seed}`,
        way === 'free' ? 'none' : 'equal errors',
        value.toFixed(4),
        list(train, 'expected'),
        list(test, 'expected'),
        list(test, 'wrong'),
      ];
    }),
  );
  return {
    head: ['seed', 'constraints', 'value', 'expected, trained', 'expected, others', 'told wrong, others'],
    rows,
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { constraint, test, superlinear, sketch, fewer } = judge(runs);
  const { head, rows } = figures(runs);
  const solvers = runs.map((run) => {
    const peer = peerOf(run);
    return [
      `${run.seed}`,
      `${run.fair.iterations}`,
      run.fair.kkt.map((/** @type {number} */ x) => x.toExponential(0)).join(', '),
      run.block ? `${run.block.iterations}, ${run.block.inner} inner` : '',
      run.block ? run.block.apart.toExponential(0) : '',
      peer ? `${peer.iterations}, ${peer.values} values` : '',
      peer ? (peer.value - run.fair.value).toExponential(0) : '',
    ];
  });
  return `${[
    ...opening('The same error for each class', 'fairness', effort),
    `${counts.full.map((count, k) => `${count} times ${digits[k]}`).join(', ')}, in 7 × 7 pixels: softmax regression of ${variables} weights (penalty ${penalty}) learns the frequent digit best. ` +
      '`adaSketchNewton` minimizes the same loss such that the expected error, the mean of 1 − p of the right class, is as large for each of the three: two equations that are not linear in the weights. ' +
      `In the order ${digits.join(', ')}, on the digits that are trained on and on others, of which each has about as many:`,
    markdown(head, rows),
    '![Errors of each class](../images/experiment-fairness.png)',
    '## How it was found',
    `From weights of 0, to a residual of ${tolerance} with \`sketch: 'direct'\`, and of ${sketchTolerance} with \`'block'\`, the default; SLSQP of SciPy ${peers[0]?.scipy} with the same functions and an \`ftol\` of 10⁻¹² (\`node scripts/peers/fairness.mjs\`):`,
    markdown(
      [
        'seed',
        'steps',
        'residual before each and at the end',
        'block sketch',
        'weights apart',
        'SLSQP',
        'its value higher by',
      ],
      solvers,
    ),
    '## Verdicts',
    `**Errors of classes can be made equal where the regression is trained: *${constraint}*.** The rule: expected errors are the same within 10⁻⁵, at each seed.`,
    `**They are more alike on other digits, too: *${test}*.** The rule: the largest share of a class that is told wrong, less the smallest, falls to less than ${percent(least)} of what it was, at each seed.`,
    `**Steps end superlinearly, with lengths of 1 (arXiv 2305.18379): *${superlinear}*.** The rule: the last three residuals are each a smaller share of the one before, and the last lengths are 1, at each seed.`,
    `**Sketches find the same point: *${sketch}*.** The rule: weights within 10⁻³, at each seed. They take thousands of projections for a system of ${variables + digits.length - 1} rows, which factoring solves at once: at this size the sketch gains nothing.`,
    `**Fewer steps than SLSQP, to a value that is not higher: *${fewer}*.** The rule: at each seed, values within 10⁻⁵ being the same. A step here takes the Hessian, which SLSQP learns from gradients.`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export function draw(runs, folder) {
  const values = runs.flatMap((run) =>
    /** @type {const} */ (['free', 'fair']).flatMap((way) =>
      digits.map((digit, k) => ({
        seed: `seed ${run.seed}`,
        way: way === 'free' ? 'no constraints' : 'equal errors',
        digit: `${digit}`,
        wrong: run[way].test[k].wrong,
      })),
    ),
  );
  const specification = {
    ...{ ...style, data: { values }, mark: 'bar', width: 150, height: 200 },
    encoding: {
      column: { field: 'seed', type: 'nominal', title: null },
      x: { field: 'digit', type: 'nominal', title: 'digit', axis: { labelAngle: 0 } },
      xOffset: { field: 'way', sort: null },
      y: { field: 'wrong', type: 'quantitative', title: 'told wrong, of others', axis: { format: '%' } },
      color: { field: 'way', type: 'nominal', title: null, sort: null, scale: { range: [colors[0], colors[1]] } },
    },
  };
  return drawChart(/** @type {any} */ (specification), {
    folder,
    name: 'experiment-fairness',
    kinds: ['png'],
    zoom: 1.5,
  });
}
