// docs/experiments/bounds.md, from recorded runs.
import { drawLines } from '../lines.mjs';
import { markdown, mean, origin, percent } from '../parts.mjs';
import { seen } from '../verdicts.mjs';
import { source, vocabulary } from './mails.mjs';
import { penalties, proximal, shared, sizes } from './run.mjs';
import { exponent, ridge as floor } from './svm.mjs';

export const seeds = { svm: [1, 2, 3, 4, 5], ridge: [1, 2, 3] };
/** Bounds of the distance of errors from the exact least ones of ridge parameters, and of the lower value of LV-HBA from that of its bounds. */
const near = { ridge: 0.02, lower: 0.05 };

/** Bounds of a penalty and a γ₁, judged, for each seed. @param {readonly any[]} runs @param {number} c @param {number} [gamma1] @returns {any[]} */
const at = (runs, c, gamma1 = proximal.own) =>
  runs.filter(({ part }) => part === 'svm').map(({ found }) => found.find((/** @type {any} */ one) => one.c === c && one.gamma1 === gamma1)); // biome-ignore format: one line

/** The penalty whose bounds have the least validation loss in the mean. @param {readonly any[]} runs */
export const best = (runs) => penalties.reduce((first, c) => (lossOf(runs, c) < lossOf(runs, first) ? c : first));
const lossOf = (/** @type {readonly any[]} */ runs, /** @type {number} */ c, gamma1 = proximal.own) =>
  mean(at(runs, c, gamma1).map(({ validation }) => validation));
const gapOf = (/** @type {readonly any[]} */ runs, /** @type {number} */ c, /** @type {number} */ gamma1) =>
  mean(at(runs, c, gamma1).map(({ gap }) => gap));

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const [svm, ridge] = ['svm', 'ridge'].map((name) => runs.filter(({ part }) => part === name));
  const own = at(runs, best(runs));
  const pairs = penalties.flatMap((c) => at(runs, c).map(({ gap }, i) => [gap, at(runs, c, proximal.usual)[i].gap]));
  return {
    chosen: seen(own.map(({ validation }, i) => validation < svm[i].one.validation)),
    right: seen(own.map(({ right }, i) => right > svm[i].one.right)),
    lower: seen(own.map(({ gap }) => gap < near.lower)),
    nearer: seen(pairs.map(([gap, usual]) => gap < usual)),
    found: seen(ridge.map(({ errors }) => errors.found[0] < (1 + near.ridge) * errors.exact[0])),
    each: seen(ridge.map(({ errors }) => errors.found[0] < errors.one[0])),
    elsewhere: seen(ridge.map(({ errors }) => errors.found[1] < errors.one[1])),
  };
}

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const [svm, ridge] = ['svm', 'ridge'].map((name) => runs.filter(({ part }) => part === name));
  const { svm: s, ridge: r } = sizes.full;
  const verdicts = judge(runs);
  const chosen = best(runs);
  const row = (/** @type {string} */ name, /** @type {any[]} */ all) => [name, ...['train', 'validation'].map((key) => all.map((one) => one[key].toFixed(3)).join(', ')), all.map(({ right }) => percent(right)).join(', '), all.some(({ gap }) => gap === undefined) ? '' : all.map(({ gap }) => percent(gap)).join(', ')]; // biome-ignore format: one line
  const byLimit = (/** @type {number} */ gamma1) => penalties.map((c) => row(`LV-HBA, γ₁ = ${gamma1}, c = ${c}`, at(runs, c, gamma1))); // biome-ignore format: one line
  const errors = (/** @type {string} */ name, /** @type {string} */ key) => [name, ...[0, 1].map((k) => ridge.map((run) => run.errors[key][k].toFixed(4)).join(', '))]; // biome-ignore format: one line
  return `${[
    '# Bounds of weights and ridge parameters',
    `${origin('bounds')} The ${effort} of a busy machine.`,
    '## Bounds of a support vector machine, by LV-HBA',
    `Spam against ham, by words: mails of npm's \`${source.name}\`, as many of either kind, ${s.training} for training, of which every fifth has the wrong label, ${s.validation} for validation and ${s.test} for the test. ` +
      `A mail is the ${vocabulary} words that most mails of training and validation have (those that more than half of them have left out), each there or not, in a row of the length of 1. (The package has 73 MB, and is installed for these runs alone.)`,
    `Each of the ${vocabulary} weights has a bound of its own; the weights are the best within their bounds for the mean squared hinge loss and a small ridge, ` +
      `and the bounds are to make the same loss on the validation mails small. ${s.steps} steps; then the lower problem is solved with the bounds that were found, by an exact solver whose values are checked against SciPy's. *One bound* is the best of ${shared.length} for all weights alike, by the validation loss.`,
    markdown(
      ['', 'training loss', `validation loss, seeds ${seeds.svm.join(', ')}`, 'right of the test', 'own weights above the least lower value'], // biome-ignore format: one line
      [
        row('no bounds', svm.map(({ none }) => none)), // biome-ignore format: one line
        row('one bound', svm.map(({ one }) => one)), // biome-ignore format: one line
        ...Object.values(proximal).flatMap(byLimit),
      ],
    ),
    `The upper loss counts 1 / (c (k + 1)^${exponent}) in step k; c = ${chosen}${[penalties[0], penalties.at(-1)].includes(chosen) ? ', an end of those that were tried,' : ''} has the least validation loss in the mean with γ₁ = ${proximal.own}, and is judged below: it is chosen by the loss that is judged, as the one bound is. Weights at their bound then: ${at(runs, chosen).map(({ active }) => active).join(', ')}.`, // biome-ignore format: one line
    `The *own weights* are the method's, which the upper loss F pulls away from the lower solution. Where they are within their bounds, the method ends where ∇f = −(1 + 1 / (h γ₁)) ∇F / cₖ, h being the curvature of the lower function f along the way: ` +
      `the pull falls with cₖ, which grows slowly, and the proximal term makes it larger by 1 / (h γ₁). The ridge leaves directions in which h is ${floor}, so that γ₁ = ${proximal.usual}, the default, is a weak hold of the lower problem: ` +
      `own weights are ${percent(gapOf(runs, chosen, proximal.usual))} above the least lower value there, ${percent(gapOf(runs, chosen, proximal.own))} with γ₁ = ${proximal.own}, and the bounds, which follow the same pull, are better, too (validation loss ${lossOf(runs, chosen, proximal.usual).toFixed(3)} against ${lossOf(runs, chosen).toFixed(3)}). ` +
      'It is the bounds that are the result: solve the lower problem with them.',
    '![Validation loss and distance from the lower solution by c](../images/experiment-bounds-svm.png)',
    '## One ridge parameter a class, by many lower problems',
    `Digits of 7 × 7 pixels, ten classes against the rest by least squares, ${r.training} digits for training, of which every third has another one's label, and ${r.validation} for validation; five of ten classes in each of ${r.steps} steps of BSVRB. Each class is a problem of one number, ` +
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
    `**They are nearer to it with γ₁ = ${proximal.own} than with ${proximal.usual}: *${verdicts.nearer}*.** The rule: at each seed and c.`,
    `**BSVRB finds the ridge parameters: *${verdicts.found}*.** The rule: the validation error is less than ${100 * near.ridge} % above that of the exact ones, at each seed.`,
    `**Ten parameters have less validation error than one: *${verdicts.each}*; less error of the test: *${verdicts.elsewhere}*.** The rules: at each seed. (The exact ones: ${seen(ridge.map((run) => run.errors.exact[1] < run.errors.one[1]))} on the test; mean difference ${mean(ridge.map((run) => run.errors.one[1] - run.errors.exact[1])).toExponential(1)}.)`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export async function draw(runs, folder) {
  const { found, exact, shared: one } = runs.find(({ part }) => part === 'ridge');
  const line = (/** @type {number[]} */ values) => values.map((value, c) => /** @type {const} */ ([c, value]));
  const lines = { exact: line(exact), BSVRB: line(found), 'one for all': line(found.map(() => one)) };
  const ridges = await drawLines([{ title: 'Logarithm of the ridge parameter', x: 'Class', y: 'ξ', lines }], {
    folder,
    name: 'experiment-bounds',
  });
  const single = mean(runs.filter(({ part }) => part === 'svm').map((run) => run.one.validation));
  const by = (/** @type {(c: number, gamma1: number) => number} */ of) => Object.fromEntries(Object.values(proximal).map((gamma1) => [`γ₁ = ${gamma1}`, penalties.map((c) => /** @type {const} */ ([Math.log10(c), of(c, gamma1)]))])); // biome-ignore format: one line
  const x = 'log₁₀ c';
  const losses = { ...by((c, gamma1) => lossOf(runs, c, gamma1)), 'one bound': penalties.map((c) => /** @type {const} */ ([Math.log10(c), single])) }; // biome-ignore format: one line
  const panels = [
    { title: 'Validation loss, means of seeds', x, y: 'Loss', lines: losses },
    { title: 'Own weights above the least lower value', x, y: 'Share', isLog: true, lines: by((c, gamma1) => gapOf(runs, c, gamma1)) }, // biome-ignore format: one line
  ];
  return [...ridges, ...(await drawLines(panels, { folder, name: 'experiment-bounds-svm', width: 260 }))];
}
