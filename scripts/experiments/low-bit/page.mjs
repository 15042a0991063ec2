// docs/experiments/low-bit.md, from recorded runs.
import { markdown, mean, opening, wholePercent } from '../parts.mjs';
import { byRanges, inEach, seen } from '../verdicts.mjs';
import { ways as compressedWays } from './compressed.mjs';
import { sizes } from './model.mjs';
import { every, group, steps } from './move.mjs';
import { batches, sameMemory } from './run.mjs';
import { steps as tokenSteps, ways as tokenWays } from './token.mjs';

const kilobytes = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const digits = (/** @type {number | null} */ x) => (x === null || !Number.isFinite(x) ? 'not finite' : x.toFixed(3));

/** Times less memory that are claimed. */
const claimed = 18;
/** Bounds of directional derivatives: QZO's own, and a tight one. */
const bounds = [100, 1];
const batch = /** @type {number} */ (batches.full.at(-1));

/** The losses of a run within so many milliseconds of a processor. @param {any} run @param {number} cost @param {number} time */
const within = (run, cost, time) => run.losses.filter((/** @type {unknown} */ _, /** @type {number} */ i) => i * every.full * cost <= time * (1 + 1e-9)); // biome-ignore format: one line
/** The last loss of a run: worse than any number where that is none. @param {readonly (number | null)[]} losses */
const last = (losses) => losses.at(-1) ?? Number.POSITIVE_INFINITY;

/** A rate and a bound of directional derivatives. @param {any} run */
const choiceOf = ({ rate, clip, way }) => (way === 'forwards' ? `${rate}, clip ${clip ?? 'none'}` : `${rate}`);

/** The choice whose runs end best in the mean, of those that fit. @param {readonly any[]} runs @param {(run: any) => boolean} fits @param {(run: any) => number} value */
function bestOf(runs, fits, value) {
  const own = runs.filter((run) => run.kind === 'move' && fits(run));
  const choices = [...new Set(own.map(choiceOf))];
  const scores = choices.map((choice) => mean(own.filter((run) => choiceOf(run) === choice).map(value)));
  return choices[scores.indexOf(Math.min(...scores))];
}

/** Verdicts by the page's rules, and the ways that are compared. @param {readonly any[]} runs with their settings */
export function judge(runs) {
  const memory = runs.find(({ kind }) => kind === 'memory');
  const [forwards, scales, small] = memory.costs;
  const time = steps.full * forwards;
  const fit = sameMemory(memory.peaks, batch);
  const end = (/** @type {number} */ cost) => (/** @type {any} */ run) => last(within(run, cost, time));
  const isForward = (/** @type {any} */ run) => run.way === 'forwards';
  const ways = [
    { name: 'QZO', cost: forwards, fits: isForward },
    { name: `AdamW on the scales, batches of ${batch}`, cost: scales, fits: (/** @type {any} */ run) => run.way === 'scales' && run.batch === batch }, // biome-ignore format: one line
    ...(fit ? [{ name: `AdamW on the scales, batches of ${fit} (QZO's memory)`, cost: small, fits: (/** @type {any} */ run) => run.way === 'scales' && run.batch === fit }] : []), // biome-ignore format: one line
  ].map(({ fits, ...way }) => {
    const choice = bestOf(runs, fits, end(way.cost));
    const is = (/** @type {any} */ run) => run.kind === 'move' && fits(run) && choiceOf(run) === choice;
    return { ...way, choice, is, ends: runs.filter(is).map(end(way.cost)) };
  });
  const peak = (/** @type {string} */ way, of = batch) =>
    memory.peaks.find((/** @type {any} */ one) => one.way === way && one.batch === of).peak;
  const less = peak('all numbers') / peak('forwards');
  const single = peak('all numbers', batches.full[0]) / peak('forwards', batches.full[0]);
  const moves = runs.filter(({ way }) => way === 'forwards');
  const clipping = [...new Set(moves.map(choiceOf))].map((choice) => ({ choice, runs: moves.filter((run) => choiceOf(run) === choice) })); // biome-ignore format: one line
  // At the highest rate, which was tried without a bound, too.
  const highest = Math.max(...moves.map((run) => run.rate));
  const free = moves.filter(({ clip, rate }) => clip === null && rate === highest);
  const ranAway = (/** @type {any} */ run) => !(last(run.losses) < run.losses[0]);
  const held = (/** @type {number} */ bound) => {
    if (moves.every(({ steepest }) => steepest < bound)) return 'no difference: no derivative reaches it';
    if (!free.every(ranAway)) return 'not tried: not every seed runs away without it';
    return seen(free.map(({ seed }) => !ranAway(moves.find((run) => run.rate === highest && run.seed === seed && run.clip === bound)))); // biome-ignore format: one line
  };
  const tight = /** @type {number} */ (bounds.at(-1));
  const softer = free.map((run) => last(moves.find((one) => one.rate === highest && one.seed === run.seed && one.clip === tight).losses) < last(run.losses)); // biome-ignore format: one line
  const tables = runs.filter(({ kind }) => kind === 'sizes');
  const ofWay = (/** @type {any} */ run, /** @type {string} */ way, /** @type {number} */ bits) => run.rows.find((/** @type {any} */ row) => row.way === way && row.bits === bits).loss; // biome-ignore format: one line
  const ofBits = (/** @type {(loss: (way: string) => number) => boolean} */ isSeen) =>
    [4, 3, 2]
      .map((bits) => `${bits} bits ${seen(tables.map((run) => isSeen((way) => ofWay(run, way, bits))))}`)
      .join(', ');
  const tokens = Object.keys(tokenWays).map((way) => ({ way, runs: runs.filter((run) => run.kind === 'token' && run.way === way) })); // biome-ignore format: one line
  const share = (/** @type {any} */ { before, attainable, after }) => (before - after) / (before - attainable);
  const [plain, projected] = tokens.map(({ runs: own }) => own.map(share));
  return {
    ...{ memory, ways, time, fit, less, single, clipping, tokens, share },
    verdicts: {
      less: less >= claimed ? 'seen' : 'not seen at this size',
      forwards: ways
        .slice(1)
        .map(({ name, ends }) => ({ name, verdict: inEach(ends.map((end, i) => ways[0].ends[i] - end), (x) => x < 0, (x) => x > 0) })), // biome-ignore format: one line
      clipping: bounds.map((bound) => ({ bound, verdict: held(bound) })),
      softer: seen(softer),
      proximal: ofBits((loss) => loss('JLCM, proximal') < Math.min(loss('k-means, 4 codebooks'), loss('JLCM, codes stay'))), // biome-ignore format: one line
      gradient: ofBits((loss) => loss('JLCM, default gradient') > loss('k-means, 4 codebooks')),
      learnt: seen(plain.map((own) => own > 0.5)),
      projection: byRanges(projected, plain),
    },
  };
}

/** @param {readonly any[]} runs with their settings @param {string} effort */
export function pageOf(runs, effort) {
  const { width, blocks, context, base, calibration, windows } = sizes.full;
  const { memory, ways, time, fit, less, single, clipping, tokens, share, verdicts } = judge(runs);
  const tables = runs.filter(({ kind }) => kind === 'sizes');
  const weights = tables[0].base.weights;
  const each = (/** @type {readonly number[]} */ all) => all.map(digits).join(', ');
  const rows = [4, 3, 2].flatMap((bits) =>
    Object.keys(compressedWays).map((way) => {
      const own = tables.map((run) => run.rows.find((/** @type {any} */ row) => row.way === way && row.bits === bits));
      return [`${bits}`, way, kilobytes(own[0].bytes), ((8 * own[0].bytes) / weights).toFixed(2), `${((4 * weights) / own[0].bytes).toFixed(1)} ×`, kilobytes(own[0].share), each(own.map(({ loss }) => loss))]; // biome-ignore format: one line
    }),
  );
  const peaks = (/** @type {string} */ way) => batches.full.map((of) => kilobytes(memory.peaks.find((/** @type {any} */ one) => one.way === way && one.batch === of).peak)); // biome-ignore format: one line
  const matrices = (/** @type {import('./move.mjs').Way} */ way) =>
    ({ forwards: 4 / 8 + (2 * 4) / group, scales: 4 / 8 + (4 * 4) / group, 'all numbers': 16 })[way];
  const names = { forwards: 'QZO', scales: 'AdamW on the scales', 'all numbers': 'AdamW on all numbers in f32' };
  return `${[
    ...opening('Few bits, and training by forwards alone', 'low-bit', effort),
    `The GPT of \`examples/gpt\` (width ${width}, ${blocks} blocks, windows of ${context} letters) is trained on Moby-Dick for ${base} steps, once a seed. ` +
      `Its ${weights} weights in matrices are made smaller; tables of letters and positions, norms and biases stay in f32. Losses are cross-entropies in nats over ${windows * context} letters that nobody has trained on, of three seeds.`,
    '## Size against loss',
    `JLCM learns codebooks and codes by \`refine\`, 300 steps from ${calibration * context} rows of inputs that each layer has in the text of training, from k-means with 4 codebooks a matrix. ` +
      `*Bytes* are those of the matrices as layers hold them, codes, scales or codebooks together; *whole* those of all that the model keeps. In f32 the matrices have ${kilobytes(4 * weights)}, the whole model ${kilobytes(tables[0].base.bytes)}, and the loss is ${each(tables.map((run) => run.base.loss))}.`,
    markdown(['bits', 'way', 'bytes', 'bits a weight', 'smaller', 'whole', 'loss'], rows),
    '## To another text',
    `The model of 4 bits in groups of ${group} (\`QuantLinear\`, to nearest) is moved from Moby-Dick to the declarations of a browser's types, by ${steps.full} steps of QZO in batches of ${batch} windows, or by AdamW on the scales for as long: ` +
      `a step of QZO takes ${memory.costs[0].toFixed(1)} ms of a processor, one of AdamW on the scales ${memory.costs[1].toFixed(1)} ms (the least of 60 measured in turn on a busy machine), so that ${(time / 1000).toFixed(0)} s are compared. ` +
      `QZO has the best of what it was tried with, by the mean of the seeds; AdamW was tried at one rate.${fit ? ` Where AdamW may take no more memory than QZO, its batches have ${fit} of ${batch} windows, and it ends after ${steps.full} steps, too, which is sooner.` : ' AdamW on the scales takes more memory than QZO with batches of one window, so that there is nothing to compare at equal memory.'}`,
    markdown(
      ['way', 'rate', 'ms a step', 'loss of the new text before', 'after'],
      ways.map(({ name, choice, cost, ends, is }) => [
        name,
        choice,
        cost.toFixed(1),
        each(runs.filter(is).map(({ losses }) => losses[0])),
        each(ends),
      ]),
    ),
    '![Losses of the other text by seconds of a processor](../images/experiment-low-bit.png)',
    'Memory at its peak (`device.info.memory.peak` of a device that holds the model and its training, nothing else), by windows in a batch; and bytes a weight of matrices with all that training keeps of it. ' +
      'The GPT has each block in an `nn.scope`: forwards hold what one block needs, and the results of the others.',
    markdown(
      ['training', 'bytes a weight', ...batches.full.map((of) => `batch ${of}`)],
      /** @type {const} */ (['forwards', 'scales', 'all numbers']).map((way) => [
        names[way],
        `${matrices(way)}`,
        ...peaks(way),
      ]),
    ),
    `All that QZO was tried with. *Clipped* are steps of ${steps.full}, *steepest* is the largest directional derivative that was met:`,
    markdown(
      ['rate', 'loss after', 'clipped', 'steepest'],
      clipping.map(({ choice, runs: own }) => [choice, each(own.map(({ losses }) => last(losses))), own.map(({ clips }) => `${clips}`).join(', '), own.map(({ steepest }) => steepest.toFixed(0)).join(', ')]), // biome-ignore format: one line
    ),
    '## A new letter',
    `In the model of 4 bits the embedding of one letter (another one a seed, of the five most frequent) is taken away; it begins as the mean of all others, and \`ZoodipOptimizer\` learns its ${tokens[0].runs[0].width} numbers in ${tokenSteps.full} steps of three forwards. *Regained* is the share of the loss between that mean and the letter's own embedding.`,
    markdown(
      ['way', 'directions removed', 'loss before', 'after', 'with its own embedding', 'regained'],
      tokens.map(({ way, runs: own }) => [way, own.map(({ removed }) => `${removed}`).join(', '), each(own.map(({ before }) => before)), each(own.map(({ after }) => after)), each(own.map(({ attainable }) => attainable)), own.map((one) => wholePercent(share(one))).join(', ')]), // biome-ignore format: one line
    ),
    '## Verdicts',
    `**QZO trains in ${claimed} times less memory (arXiv 2505.13430): *${verdicts.less}*.** The rule: the peak of AdamW on all numbers in f32, at batches of ${batch}, over that of QZO. Found: ${less.toFixed(1)}, and ${single.toFixed(1)} for one window. Of matrices alone it is ${(16 / matrices('forwards')).toFixed(1)}; but here, unlike in a model of billions of weights, most memory is that of activations.`,
    ...verdicts.forwards.map(({ name, verdict }) => `**By forwards alone a model comes further in equal time than by ${name}: *${verdict}*.** The rule: a lower loss at each seed; refuted, if it is higher at each.`), // biome-ignore format: one line
    ...verdicts.clipping.map(({ bound, verdict }) => `**Clipping at ${bound} keeps QZO from running away: *${verdict}*.** The rule: at the highest rate, where the loss ends above its start without a bound, it ends below with it at each seed.`), // biome-ignore format: one line
    `**A rate that is too high does less harm with a bound of ${bounds.at(-1)}: *${verdicts.softer}*.** The rule, added when the figures were there: at the highest rate a lower loss than without a bound, at each seed.`,
    "A bound must be near the derivatives that there are: the authors' programs, and QZO by default, have 100, for losses of other models.",
    `**The proximal mapping makes a better model than k-means and than codebooks alone, in the same bytes: *${verdicts.proximal}*.** The rule: a lower loss at each seed.`,
    `**The default gradient makes codes worse than k-means: *${verdicts.gradient}*.** The rule: a higher loss at each seed.`,
    `**An embedding is learnt by forwards alone: *${verdicts.learnt}*.** The rule: at least half of the loss is regained at each seed, without projection.`,
    `**ZOODiP's projection (a history of ${tokenWays['history of 32'].history}) regains more than none: *${verdicts.projection}*.** The rule: the ranges of both over seeds do not overlap.`,
  ].join('\n\n')}\n`;
}
