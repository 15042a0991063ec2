// docs/experiments/streaming.md, from recorded runs.
import { markdown, opening } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { sizes } from './run.mjs';

/** Times as many multiplications that windows and whole texts must take. */
const [windows, texts] = [10, 10];
/** Times as much of the processor as an early step that a late one may take. */
const mostLate = 1.1;

/** @param {readonly any[]} runs @returns {{ same: string, constant: string, alike: string, shorter: string, fewer: string, letters: string }} verdicts by the page's rules */
export function judge(runs) {
  const by = (/** @type {(run: any) => boolean} */ isSeen) => inEach(runs, isSeen);
  return {
    same: by(({ apart, letters }) => apart < 1e-5 && letters.apart < 1e-4),
    constant: by(({ bytes: [early, late] }) => late <= early),
    alike: by(({ times: { early, late } }) => late <= mostLate * early),
    shorter: by(({ times: { late, window } }) => late < window),
    fewer: by(({ byStep, byWindow }) => byWindow > windows * byStep),
    letters: by(({ letters }) => letters.byWindow > texts * letters.byRing),
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { streams, steps, gpt } = sizes.full;
  const { same, constant, alike, shorter, fewer, letters } = judge(runs);
  const each = (/** @type {(run: any) => string} */ of) => runs.map(of).join(', ');
  const [{ delay, receptiveField, share, byStep, byWindow, letters: own }] = runs;
  const many = (/** @type {number} */ count) => count.toLocaleString('en');
  const ms = (/** @type {number} */ time) => `${time.toFixed(2)} ms`;
  return `${[
    ...opening('An endless signal', 'streaming', effort),
    `The signal is made: a hum, noise with a memory, and in it short bursts at random times, ${(100 * share).toFixed(0)} % of all places. A network of three convolutions, ` +
      'two of them residual and dilated, is trained by `orthokit/nn` on recorded sequences; its weights go into `continual` layers, which tell with each new input whether ' +
      `there was a burst ${delay} inputs ago (receptive field ${receptiveField}). ${streams} streams side by side, ${many(steps)} steps; none of them was trained on. Multiplications are counted from the shapes of the weights, for one stream; a window is the receptive field, which tells one place when it is read anew. Times are the processor's, all threads together, and those that a tenth of them stays below: neighbours lengthen times and shorten none. The last ${many(steps / 16)} steps take turns with those of other layers of the same weights, which begin only then.`,
    markdown(
      ['', `seeds 1 to ${runs.length}`],
      [
        ['places in a burst that are found', each(({ recall }) => `${(100 * recall).toFixed(1)} %`)],
        ['found places that are in a burst', each(({ precision }) => `${(100 * precision).toFixed(1)} %`)],
        ['multiplications of a step', many(byStep)],
        ['multiplications of a window', many(byWindow)],
        [`bytes of tensors after ${many(steps / 4)} steps`, each(({ bytes }) => many(bytes[0]))],
        [`after ${many(steps)}`, each(({ bytes }) => many(bytes[1]))],
        ['processor time of the last steps', each(({ times }) => ms(times.late))],
        ['of layers that have just begun, step by step beside them', each(({ times }) => ms(times.early))],
        ['processor time of a window, again and again', each(({ times }) => ms(times.window))],
        ['largest difference of the two', each(({ apart }) => apart.toExponential(1))],
      ],
    ),
    `A GPT of ${gpt.blocks} blocks of width ${gpt.width}, at the end of its context of ${gpt.context} letters, not trained: what a letter costs does not depend on that.`,
    markdown(
      ['', `seeds 1 to ${runs.length}`],
      [
        ['multiplications of a letter with `nn.Ring`', many(own.byRing)],
        ['multiplications of a letter from the whole window', many(own.byWindow)],
        ['largest difference of logits', each((run) => run.letters.apart.toExponential(1))],
      ],
    ),
    '## Verdicts',
    `**Steps give what windows give: *${same}*.** The rule: the last step is less than 1e-5 from the network over its window, and logits of letters less than 1e-4, at each seed.`,
    `**${many(steps)} steps take no more memory than ${many(steps / 4)}: *${constant}*.** The rule: no more bytes of tensors, at each seed. Each step runs the same operations on the same shapes.`,
    `**After ${many(steps)} steps a step costs what it does at the beginning: *${alike}*.** The rule: it takes at most ${mostLate} times the processor's time of layers that have just begun, at each seed.`,
    `**A step takes less of the processor than a window: *${shorter}*.** The rule: at each seed. A window takes ${each(({ times }) => (times.window / times.late).toFixed(1))} times as much; by multiplications it were ${receptiveField} times, but each operation of a step has little to do once it has begun.`,
    `**A step takes at least ${windows} times fewer multiplications than a window: *${fewer}*.** The rule: at each seed.`,
    `**A letter with a ring takes at least ${texts} times fewer than from the whole window: *${letters}*.** The rule: at each seed.`,
  ].join('\n\n')}\n`;
}
