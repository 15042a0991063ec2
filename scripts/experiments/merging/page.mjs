// docs/experiments/merging.md, from recorded runs.
import { markdown, mean, opening, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { sizes } from './run.mjs';
import { names, origins } from './texts.mjs';
import { average, opcm, waysOf } from './ways.mjs';

/** @import { Trained } from './run.mjs' */
/** @import { Figures } from './train.mjs' */

/** @param {readonly Figures[]} figures */
export const accuracyOf = (figures) => mean(figures.map(({ accuracy }) => accuracy));

/** @param {any} run @param {number} steps @returns {Trained} */
const trainedFor = (run, steps) => run.trained.find((/** @type {Trained} */ own) => own.steps === steps);

/** Mean accuracies over all texts of a way, by seed, and of each by order. @param {readonly any[]} runs @param {string} way @param {number} steps */
export const accuracies = (runs, way, steps) =>
  runs.map((run) =>
    trainedFor(run, steps)
      .merged.filter((own) => own.way === way)
      .map(({ figures }) => accuracyOf(figures)),
  );

/** The mean accuracy of specialists, each on its own text. @param {any} run @param {number} steps */
export const ofSpecialists = (run, steps) =>
  accuracyOf(trainedFor(run, steps).specialists.map((figures, i) => /** @type {Figures} */ (figures[i])));

/** A share that is as long as OPCM's sum where four task vectors are orthogonal. */
const sameLength = 'arithmetic, scale 0.5';

/** The claim is a gain of at least so much. */
const claimed = 0.05;

/**
 * @param {readonly any[]} runs @param {number} steps of the specialists
 * @returns {{ gains: number[], verdict: string, widest: number }} shares of the mean's accuracy by which OPCM, in the mean over orders, is
 *   better at each seed; and the widest difference between orders
 */
export function judge(runs, steps) {
  const [plain, projected] = [average, opcm].map((way) => accuracies(runs, way, steps));
  const gains = plain.map(([own], i) => mean(projected[i]) / own - 1);
  const verdict = inEach(
    gains,
    (gain) => gain >= claimed,
    (gain) => gain < 0,
  );
  const widest = Math.max(...projected.map((orders) => Math.max(...orders) - Math.min(...orders)));
  return { gains, verdict, widest };
}

/** The table and the verdict of specialists that trained for as long. @param {readonly any[]} runs one a seed @param {number} steps */
function sectionOf(runs, steps) {
  const { gains, verdict, widest } = judge(runs, steps);
  /** @param {string} name @param {(own: Trained) => Figures[][]} figuresOf */
  const row = (name, figuresOf) =>
    tableRow(
      name,
      runs.flatMap((run) => figuresOf(trainedFor(run, steps))),
    );
  const ways = [...new Set(waysOf(1).map(({ way }) => way))];
  const meanOf = (/** @type {string} */ way) => mean(accuracies(runs, way, steps).flat());
  const ofBase = mean(runs.map(({ base }) => accuracyOf(base)));
  const above = ways.filter((way) => meanOf(way) > ofBase).length;
  const rows = [
    tableRow(
      'the base',
      runs.map(({ base }) => base),
    ),
    ...names.map((name, i) => row(`specialist of ${name}`, ({ specialists }) => [specialists[i] ?? []])),
    row('each text by its specialist', ({ specialists }) => [
      specialists.map((own, i) => /** @type {Figures} */ (own[i])),
    ]),
    ...ways.map((way) => row(way, ({ merged }) => merged.filter((own) => own.way === way).map((own) => own.figures))),
  ];
  return [
    `## Specialists of ${steps} steps`,
    markdown(['model', ...names, 'mean', 'mean loss'], rows),
    `**OPCM gains 5 to 8 % of accuracy over the mean (arXiv 2501.09522): *${verdict}*.** Found: ` +
      `${gains.map((gain) => `${gain < 0 ? '−' : '+'}${percent(Math.abs(gain))}`).join(', ')}. Between orders it differs by at most ${percent(widest)} of letters. ` +
      `Of ${ways.length} ways to merge ${above} are better than the base, which foretells ${percent(ofBase)} of letters. Arithmetic with ` +
      `scale 0.5 has ${percent(meanOf(sameLength))}, OPCM ${percent(meanOf(opcm))}.`,
  ];
}

/** @param {string} name @param {readonly Figures[][]} all figures by text */
function tableRow(name, all) {
  const of = (/** @type {'loss' | 'accuracy'} */ key, /** @type {number} */ text) =>
    mean(all.map((own) => own[text][key]));
  const texts = names.map((_, i) => i);
  const [accuracy, loss] = /** @type {const} */ (['accuracy', 'loss']).map((key) => mean(texts.map((i) => of(key, i))));
  return [name, ...texts.map((i) => percent(of('accuracy', i))), percent(accuracy), loss.toFixed(3)];
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { width, blocks, context, batch, base, special, orders, windows } = sizes.full;
  return `${[
    ...opening('Merging specialists', 'merging', effort),
    `A GPT of letters (width ${width}, ${blocks} blocks, windows of ${context} letters, batches of ${batch}) is trained for ${base} steps on four texts ` +
      `in turn: ${origins.join('; ')}. Four specialists go on from it, each on one text alone: for ${special.join(' or ')} steps. They are merged by ` +
      `\`mergeModels\`, folder to folder; OPCM in ${orders} shuffled orders. Figures are of ${windows * context} letters of each text that nobody has trained on, means over ` +
      `${runs.length} seeds and all orders: the share of letters that are foretold, and the cross-entropy in nats.`,
    '![The share of letters that each way to merge foretells](../images/experiment-merging.png)',
    `The rule of the verdicts: seen, if the mean accuracy of \`${opcm}\` is at least ${100 * claimed} % above that of \`average\`, as a share of it, at each seed; ` +
      'refuted, if it is below at each seed. The paper merges CLIP models of pictures, of up to 20 tasks; here are four, and a network hundreds of times smaller.',
    'The length of what is added matters, too: OPCM brings its sum to the mean length of the task vectors, which is twice that of their mean where four ' +
      'are orthogonal. Arithmetic with scale 0.5 then adds as much, without any projection.',
    ...special.flatMap((steps) => sectionOf(runs, steps)),
  ].join('\n\n')}\n`;
}
