// docs/experiments/merging.md, from recorded runs.
import { markdown, mean, origin, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { sizes } from './run.mjs';
import { names, origins } from './texts.mjs';
import { average, opcm, waysOf } from './ways.mjs';

/** @import { Figures } from './train.mjs' */

/** Mean accuracies over all texts of a way, by seed, and of each by order. @param {readonly any[]} runs @param {string} way */
export const accuracies = (runs, way) =>
  runs.map(({ merged }) =>
    merged
      .filter((/** @type {any} */ own) => own.way === way)
      .map(({ figures }) => mean(figures.map((/** @type {Figures} */ own) => own.accuracy))),
  );

/** A share that is as long as OPCM's sum where four task vectors are orthogonal. */
const sameLength = 'arithmetic, scale 0.5';

/** The claim is a gain of at least so much. */
const claimed = 0.05;

/**
 * @param {readonly any[]} runs
 * @returns {{ gains: number[], verdict: string, widest: number }} shares of the mean's accuracy by which OPCM, in the mean over orders, is
 *   better at each seed; and the widest difference between orders
 */
export function judge(runs) {
  const [plain, projected] = [average, opcm].map((way) => accuracies(runs, way));
  const gains = plain.map(([own], i) => mean(projected[i]) / own - 1);
  const verdict = inEach(
    gains,
    (gain) => gain >= claimed,
    (gain) => gain < 0,
  );
  const widest = Math.max(...projected.map((orders) => Math.max(...orders) - Math.min(...orders)));
  return { gains, verdict, widest };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { width, blocks, context, batch, base, special, orders, windows } = sizes.full;
  const { gains, verdict, widest } = judge(runs);
  /** @param {string} name @param {(run: any) => Figures[][]} figuresOf */
  const row = (name, figuresOf) => {
    const all = runs.flatMap(figuresOf);
    const of = (/** @type {'loss' | 'accuracy'} */ key, /** @type {number} */ text) =>
      mean(all.map((own) => own[text][key]));
    const texts = names.map((_, i) => i);
    const [accuracy, loss] = /** @type {const} */ (['accuracy', 'loss']).map((key) =>
      mean(texts.map((i) => of(key, i))),
    );
    return [name, ...texts.map((i) => percent(of('accuracy', i))), percent(accuracy), loss.toFixed(3)];
  };
  const ways = [...new Set(waysOf(1).map(({ way }) => way))];
  const meanOf = (/** @type {string} */ way) => mean(accuracies(runs, way).flat());
  const ofBase = mean(runs.flatMap(({ base: own }) => own.map((/** @type {Figures} */ figures) => figures.accuracy)));
  const below = ways.filter((way) => meanOf(way) < ofBase).length;
  const rows = [
    row('the base', (run) => [run.base]),
    ...names.map((name, i) => row(`specialist of ${name}`, (run) => [run.specialists[i]])),
    row('each text by its specialist', (run) => [names.map((_, i) => run.specialists[i][i])]),
    ...ways.map((way) =>
      row(way, (run) =>
        run.merged.filter((/** @type {any} */ own) => own.way === way).map((/** @type {any} */ own) => own.figures),
      ),
    ),
  ];
  return `${[
    '# Merging specialists',
    origin('merging'),
    `Its ${effort}.`,
    `A GPT of letters (width ${width}, ${blocks} blocks, windows of ${context} letters, batches of ${batch}) is trained for ${base} steps on four texts ` +
      `in turn: ${origins.join('; ')}. Four specialists go on from it for ${special} steps, each on one text alone. They are merged by ` +
      `\`mergeModels\`, folder to folder; OPCM in ${orders} shuffled orders. Figures are of ${windows * context} letters of each text that nobody has trained on, means over ` +
      `${runs.length} seeds and all orders: the share of letters that are foretold, and the cross-entropy in nats.`,
    markdown(['model', ...names, 'mean', 'mean loss'], rows),
    '## Verdict',
    `**OPCM gains 5 to 8 % of accuracy over the mean (arXiv 2501.09522): *${verdict}*.** The rule: seen, if its mean accuracy is at least ` +
      `${100 * claimed} % above that of \`average\`, as a share of it, at each seed; refuted, if it is below at each seed. Found: ` +
      `${gains.map((gain) => `${gain < 0 ? '−' : '+'}${percent(Math.abs(gain))}`).join(', ')}. Between orders it differs by at most ${percent(widest)} of letters. ` +
      'The paper merges CLIP models of pictures, of up to 20 tasks; here are four, and a network hundreds of times smaller.',
    `${below === ways.length ? 'Every merge is' : `Of ${ways.length} ways to merge ${below} are`} below the base, which foretells ` +
      `${percent(ofBase)} of letters. And the length of what is added explains as much as the projection does: OPCM brings its sum to the mean length of the task ` +
      'vectors, which is twice that of their mean where four are orthogonal. Arithmetic with scale 0.5, then of the same length and without any ' +
      `projection, has ${percent(meanOf(sameLength))}, OPCM ${percent(meanOf(opcm))}.`,
  ].join('\n\n')}\n`;
}
