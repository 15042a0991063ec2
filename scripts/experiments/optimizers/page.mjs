// docs/experiments/optimizers.md, from recorded runs.
import { markdown, origin } from '../parts.mjs';
import { claims } from './claims.mjs';
import { clipping, contestants, grid, growth, rateBeside } from './contestants.mjs';
import { judge, orNever, secondsTo, short, stepsTo } from './evidence.mjs';
import { finalLoss, isAtEnd, mean, meanSharpness, sensitivity, spread } from './figures.mjs';
import { seeds } from './plan.mjs';
import { tolerance } from './verdicts.mjs';

/** @param {import('./runs.mjs').Outcome} outcome */
export function tableOf({ task, entries, target }) {
  const head = [
    ...['optimizer', 'best rate', 'loss at the end', 'spread over seeds', `steps to ${short(target)}`],
    ...[`processor seconds to ${short(target)}`, 'rates within 10 %', 'median over best', 'signs changed'],
    ...(task.curved ? ['sharpness'] : []),
  ];
  const rows = entries.map(({ name, tuning, rate, best }) => {
    const { near, rates, median, ...chosen } = sensitivity(tuning);
    const losses = best.map(finalLoss);
    const mark = isAtEnd(tuning, rate) ? ' ¹' : isAtEnd(tuning, chosen.best) ? ' ²' : '';
    return [
      ...[name, `${short(rate)}${mark}`, short(mean(losses)), short(spread(losses))],
      ...[orNever(stepsTo(best, target)), orNever(secondsTo(best, target)), `${near} of ${rates}`, short(median)],
      ...[`${(100 * mean(best.map(({ signs }) => signs))).toFixed(1)} %`],
      ...(task.curved ? [short(mean(best.map(meanSharpness)))] : []),
    ];
  });
  return markdown(head, rows);
}

/** @param {object} options */
const optionsOf = (options) =>
  Object.entries(options)
    .map(([name, value]) => `\`${name}\` ${JSON.stringify(value).replaceAll('"', '')}`)
    .join(', ') || '–';

/** Settings of each optimizer beyond the defaults of its class. @param {readonly { name: string, title: string }[]} tasks */
export function settingsOf(tasks) {
  const rows = contestants.map(({ name, options, beside, sizes, prepare, rate, rates, tasks: own }) => {
    const more = [
      ...(prepare ? [`clipCoordinates: ${optionsOf(clipping)}`] : []),
      ...(sizes && sizes.first < sizes.last ? [`AdaptiveBatch: ${optionsOf(growth)}`] : []),
    ];
    const grids = tasks.map((task) => (own && !own.includes(task.name) ? '–' : short(rates?.[task.name] ?? rate)));
    return [name, [optionsOf(options), ...more].join('; ').replace(/^–; /, ''), beside ? 'matrices' : 'all', ...grids];
  });
  return markdown(['optimizer', 'options beyond defaults', 'has', ...tasks.map(({ title }) => title)], rows);
}

/**
 * @param {readonly import('./runs.mjs').Outcome[]} outcomes
 * @param {string} effort what the runs took
 */
export function pageOf(outcomes, effort) {
  const judged = claims.map((claim) => ({ ...claim, ...judge(claim, outcomes) }));
  const tables = outcomes.flatMap((outcome) => [
    `## ${outcome.task.title}`,
    `${outcome.entries[0].best[0].steps} steps, batches of ${outcome.task.sizes.full.batch}.`,
    tableOf(outcome),
  ]);
  return `${[
    '# Optimizers on real data',
    origin('optimizers'),
    effort,
    `Every optimizer is tuned by as many runs as the others: ${grid.length} rates, factors of two. On digits each rate is run whole by ` +
      `${seeds.length} seeds; on letters rates are chosen by one seed and a tenth of the samples, and the best two are run whole by ` +
      `${seeds.length} seeds. Rates rise for a twentieth of the samples and fall as a cosine to a tenth. Nothing decays. Methods for ` +
      `matrices have the matrices of the layers, and AdamW, at a rate of ${rateBeside}, has the rest.`,
    '![Loss over samples](../images/experiment-optimizers-loss.png)',
    '![Loss at the end over rates](../images/experiment-optimizers-rates.png)',
    '## Verdicts',
    `The rule: figures are those of the best rate, the one with the smallest mean loss on samples that are not trained, means over seeds; ` +
      'differences in percent are means of the differences at each seed, so that they are not those of the means. A method is ' +
      '*better* than another one in a task if it is at every seed, and by more, on average, than the larger spread (largest minus ' +
      'smallest) over seeds of both. A claim to be better is *seen* if the method is better in more than half of the tasks and worse in ' +
      'none, *refuted* if it is worse in more than half and better in none, else *not seen at this size*. A claim to be as good is *seen* ' +
      `if the method is in no task worse by more than ${100 * tolerance} %, and *refuted* if it is, above the spread, in more than half. ` +
      'Where a claim is about a gap, a task without one counts as even. Where the one that is worse, or one of two that count as even, has its best ' +
      'rate at an end of its grid, a better one may lie beyond: a verdict that this task would turn is *not decided at the edge of the grid*.',
    markdown(
      ['claim', 'source', 'verdict'],
      judged.map(({ text, source, verdict }) => [text, source, `*${verdict}*`]),
    ),
    ...judged.flatMap(({ text, verdict, lines }) => [
      `**${text}: ${verdict}.**`,
      ...(lines.length > 0 ? [lines.map((line) => `- ${line}`).join('\n')] : []),
    ]),
    '## Settings',
    'Rates are those in the middle of the grid, in each task; the others are an eighth to eight times of it. DCTAdamW keeps at most 128 ' +
      'vectors, which are all that matrices of these sizes have: what is compared is its basis, not a low rank. Batches that ' +
      'grow were run with dense layers alone.',
    settingsOf(outcomes.map(({ task }) => task)),
    ...tables,
    '¹ The rate is at an end of the grid: a better one may lie beyond. ² Runs that chose the rate had their best at an end of the grid, but of ' +
      'the two that were run whole the other one was better. *Steps and processor seconds* (of all threads) are to the loss of batches that AdamW has ' +
      'halfway, of the median seed; *rates within 10 %* of the best loss, and the *median over* rates *over* the *best* loss, are of the ' +
      'runs that chose the rate; *signs changed* are weights of matrices; *sharpness* is along steps of unit length, the mean of a ' +
      'quarter, half and three quarters of the samples.',
  ].join('\n\n')}\n`;
}
