// docs/experiments/bounds.md, from recorded runs.
import { drawLines } from '../lines.mjs';
import { markdown, mean, origin, percent } from '../parts.mjs';
import { seen } from '../verdicts.mjs';
import { penalties, shared, sizes } from './run.mjs';

export const seeds = { svm: [1, 2, 3, 4, 5], ridge: [1, 2, 3] };
/** Bounds of the distance of errors from the exact least ones of ridge parameters, and of the lower value of LV-HBA from that of its bounds. */
const near = { ridge: 0.02, lower: 0.05 };

/** @param {readonly any[]} runs @param {number} c @returns {any[]} */
const at = (runs, c) => runs.filter((run) => run.part === 'svm' && run.c === c);

/** The penalty whose bounds have the least validation loss in the mean. @param {readonly any[]} runs */
export const best = (runs) => penalties.reduce((first, c) => (lossOf(runs, c) < lossOf(runs, first) ? c : first));
const lossOf = (/** @type {readonly any[]} */ runs, /** @type {number} */ c) => mean(at(runs, c).map(({ own }) => own.validation)); // biome-ignore format: one line

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const [svm, ridge] = [at(runs, best(runs)), runs.filter(({ part }) => part === 'ridge')];
  return {
    chosen: seen(svm.map(({ own, one }) => own.validation < one.validation)),
    right: seen(svm.map(({ own, one }) => own.right > one.right)),
    lower: seen(svm.map(({ gap }) => gap < near.lower)),
    found: seen(ridge.map(({ errors }) => errors.found[0] < (1 + near.ridge) * errors.exact[0])),
    each: seen(ridge.map(({ errors }) => errors.found[0] < errors.one[0])),
    elsewhere: seen(ridge.map(({ errors }) => errors.found[1] < errors.one[1])),
  };
}

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const [svm, ridge] = [at(runs, best(runs)), runs.filter(({ part }) => part === 'ridge')];
  const { svm: s, ridge: r } = sizes.full;
  const verdicts = judge(runs);
  const losses = (/** @type {string} */ name, /** @type {(run: any) => any} */ of, all = svm) => [name, ...['train', 'validation'].map((key) => all.map((run) => of(run)[key].toFixed(3)).join(', ')), all.map((run) => percent(of(run).right)).join(', '), of(all[0]).at === undefined ? '' : all.map(({ gap }) => percent(gap)).join(', ')]; // biome-ignore format: one line
  const errors = (/** @type {string} */ name, /** @type {string} */ key) => [name, ...[0, 1].map((k) => ridge.map((run) => run.errors[key][k].toFixed(4)).join(', '))]; // biome-ignore format: one line
  return `${[
    '# Bounds of weights and ridge parameters',
    `${origin('bounds')} The ${effort} of a busy machine.`,
    'Digits of 7 × 7 pixels. A set of mail words is not among the packages that the repository uses, so that the support vector machine, too, is of digits.',
    '## Bounds of a support vector machine, by LV-HBA',
    `4 against 9, ${s.training} digits for training and ${s.validation} for validation. Each of the 49 weights has a bound of its own; the weights are the best within their bounds for the mean squared hinge loss and a small ridge, ` +
      `and the bounds are to make the same loss on the validation digits small. ${s.steps} steps; then the lower problem is solved with the bounds that were found, by an exact solver whose values are checked against SciPy's. *One bound* is the best of ${shared.length} for all weights alike, by the validation loss.`,
    markdown(
      [
        '',
        'training loss',
        `validation loss, seeds ${seeds.svm.join(', ')}`,
        'right of the test',
        'own weights above the least lower value',
      ],
      [
        losses('no bounds', ({ none }) => none),
        losses('one bound', ({ one }) => one),
        ...penalties.map((c) => losses(`49 bounds by LV-HBA, c = ${c}`, ({ own }) => own, at(runs, c))),
      ],
    ),
    `The upper loss counts 1 / (c (k + 1)^0.3) in step k; c = ${best(runs)}${[penalties[0], penalties.at(-1)].includes(best(runs)) ? ', an end of those that were tried,' : ''} has the least validation loss in the mean, and is judged below: it is chosen by the loss that is judged, as the one bound is. Weights at their bound then: ${svm.map(({ active }) => active).join(', ')}. ` +
      "The *own weights* are the method's, which the upper loss pulls at directly, and by a share that falls slowly: it is the bounds that are the result, and the lower problem wants to be solved with them.",
    '## One ridge parameter a class, by many lower problems',
    `Ten classes against the rest by least squares, ${r.training} digits for training, of which every third has another one's label, and ${r.validation} for validation; five of ten classes in each of ${r.steps} steps of BSVRB. Each class is a problem of one number, ` +
      'so that the exact parameters, from e⁻⁹ to e³, are found by search. Half the mean squared error:',
    markdown(
      ['', `validation, seeds ${seeds.ridge.join(', ')}`, 'test'],
      [errors('the start', 'first'), errors('one parameter for all, by search', 'one'), errors('ten by BSVRB', 'found'), errors('ten, exactly', 'exact')], // biome-ignore format: one line
    ),
    '![Ridge parameters that were found against the exact ones](../images/experiment-bounds.png)',
    'The picture: the logarithms of the parameters by class, seed 1.',
    '## Verdicts',
    `**Bounds of their own have less validation loss than one for all: *${verdicts.chosen}*. More of the test is right: *${verdicts.right}*.** The rules: at each seed, by the exact solution of the lower problem.`,
    `**The method's own weights solve the lower problem: *${verdicts.lower}*.** The rule: their lower value is less than ${100 * near.lower} % above the exact one, at each seed.`,
    `**BSVRB finds the ridge parameters: *${verdicts.found}*.** The rule: the validation error is less than ${100 * near.ridge} % above that of the exact ones, at each seed.`,
    `**Ten parameters have less validation error than one: *${verdicts.each}*; less error of the test: *${verdicts.elsewhere}*.** The rules: at each seed. (The exact ones: ${seen(ridge.map((run) => run.errors.exact[1] < run.errors.one[1]))} on the test; mean difference ${mean(ridge.map((run) => run.errors.one[1] - run.errors.exact[1])).toExponential(1)}.)`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export function draw(runs, folder) {
  const { found, exact, shared: one } = runs.find(({ part }) => part === 'ridge');
  const line = (/** @type {number[]} */ values) => values.map((value, c) => /** @type {const} */ ([c, value]));
  const lines = { exact: line(exact), BSVRB: line(found), 'one for all': line(found.map(() => one)) };
  return drawLines([{ title: 'Logarithm of the ridge parameter', x: 'Class', y: 'ξ', lines }], {
    folder,
    name: 'experiment-bounds',
  });
}
