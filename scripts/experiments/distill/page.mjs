// docs/experiments/distill.md, from recorded runs.
import { side } from '../guidance/digits.mjs';
import { markdown, mean, opening, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { jitter, pull, rate, sizes, ways } from './run.mjs';

const [curriculum, none, momentless, real] = Object.keys(ways);
/** The mean of the students of a way. @param {any} run @param {string} way */
const studentsOf = (run, way) => mean(run.found.find((/** @type {any} */ one) => one.way === way).students);

/** @param {readonly any[]} runs one a seed @returns {{ curriculum: string, real: string, moments: string }} verdicts by the page's rules */
export function judge(runs) {
  const better = (/** @type {string} */ way, /** @type {string} */ other) => {
    const gains = runs.map((run) => studentsOf(run, way) - studentsOf(run, other));
    return inEach(gains, (gain) => gain > 0, (gain) => gain < 0); // biome-ignore format: one line
  };
  return {
    curriculum: better(curriculum, none),
    real: better(curriculum, real),
    moments: better(curriculum, momentless),
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { teacher, iterations, each, student, students } = sizes.full;
  const verdicts = judge(runs);
  const rows = Object.keys(ways).map((way) => {
    const own = runs.map((run) => run.found.find((/** @type {any} */ one) => one.way === way));
    const all = own.flatMap((one) => one.students);
    return [way, own.map((one) => percent(mean(one.students))).join(', '), percent(mean(all)), `${percent(Math.min(...all))} – ${percent(Math.max(...all))}`]; // biome-ignore format: one line
  });
  return `${[
    ...opening('Distilled digits', 'distill', effort),
    `A CNN of three convolutions with batch norms, the teacher, learns from 8,000 digits of ${side} × ${side} pixels in ${teacher} steps, and tells ${runs.map((run) => percent(run.teacher)).join(', ')} of 2,000 others. ` +
      `\`CurriculumSynthesizer\` makes ${each} images of each class from noise in ${iterations} iterations, at a rate of ${rate}, rolls of up to ${jitter} pixel and without flips, as a mirrored digit is none. The teacher's loss is cross-entropy and, with a weight of ${pull} and ten times as much for the first layer, how far the moments of its layers are from those that its batch norms remember (\`bnStatisticsLoss\`). ` +
      `Then ${students} students of the same shape learn from these images alone, ${student} steps with labels as they are; or from ${each} real digits of each class, drawn by chance.`,
    markdown(['images', 'right, mean of students by seed', 'mean', 'all students'], rows),
    '![Images of each way](../images/experiment-distill.png)',
    `All images of the first seed: above ${curriculum} and ${none}, below ${momentless} and ${real}. With moments there are strokes as thin as real ones, in pieces that seldom make a whole digit; without them all images of a class are alike, and full of ink.`,
    '## Verdicts',
    `**The curriculum makes better images than none: *${verdicts.curriculum}*.** The rule: the mean of the students is higher at each seed; refuted if it is lower at each.`,
    `**Of ${each} images a class, distilled ones with labels as they are teach more than real ones: *${verdicts.real}*.** The rule: the same, of the curriculum against real digits. The verdict is of this sentence, which the paper does not claim: its students learn the teacher's probabilities for a new crop of each image at each step (relabelling), and are compared with those of other distilled images. Students with relabelling were not tried here, of distilled images or of real ones, nor more students a seed than these.`,
    `**Moments of batch norms make better images: *${verdicts.moments}*.** The rule: the same, against the curriculum without them.`,
  ].join('\n\n')}\n`;
}
