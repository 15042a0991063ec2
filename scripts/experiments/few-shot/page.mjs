// docs/experiments/few-shot.md, from recorded runs.
import { side as sideOfDigits } from '../guidance/digits.mjs';
import { markdown, opening, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { clustered, clusterings } from './digits.mjs';
import { side } from './glyphs.mjs';
import { classes, lambdas, queries, sizes, temperature, ways } from './run.mjs';

const [prototype, , laplacian, kmeans, graph] = Object.keys(ways);
const [plain, , modes] = Object.keys(clusterings);

/** @param {readonly any[]} runs one a seed @returns {{ order: string, graph: string, modes: string }} verdicts by the page's rules */
export function judge(runs) {
  /** @param {any} run @param {'found' | 'digits'} part @param {string} way */
  const rightOf = (run, part, way) => run[part].find((/** @type {any} */ one) => one.way === way).right;
  const by = (/** @type {(right: (way: string) => number) => boolean} */ isSeen) =>
    inEach(runs, (run) => isSeen((way) => rightOf(run, 'found', way)));
  return {
    order: by((right) => right(prototype) < right(laplacian) && right(laplacian) < right(kmeans)),
    graph: by((right) => right(graph) > right(kmeans)),
    modes: inEach(runs, (run) => rightOf(run, 'digits', modes) > rightOf(run, 'digits', plain)),
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { order, graph: graphs, modes: byModes } = judge(runs);
  const { digits, starts } = clustered.full;
  const { letters, fonts, unseen, others } = runs[0].counts;
  const gains = runs.map(({ found }) => {
    const [more, less] = [graph, kmeans].map((way) => found.find((/** @type {any} */ one) => one.way === way).right);
    return (100 * (more - less)).toFixed(2);
  });
  const isEnd = runs.some(({ found }) => found.some((/** @type {any} */ { lambda }) => lambda === lambdas.at(-1)));
  const rows = Object.keys(ways).map((way) => {
    const own = runs.map(({ found }) => found.find((/** @type {any} */ one) => one.way === way));
    return [way, own.map(({ lambda }) => `${lambda}`).join(', '), own.map(({ right, interval }) => `${percent(right)} ± ${(100 * interval).toFixed(1)}`).join(', ')]; // biome-ignore format: one line
  });
  return `${[
    ...opening('Letters of fonts never seen', 'few-shot', effort),
    `A CNN of three convolutions is trained for ${sizes.full.steps} steps to tell ${letters} letters (Latin, Greek, Cyrillic) of ${fonts} fonts, DejaVu Sans in its styles, in pictures of ${side} × ${side}, moved by parts of a pixel and with noise. ` +
      `Then it is asked about ${unseen} other letters in ${others} other fonts, DejaVu Serif and DejaVu Sans Mono: ${sizes.full.tasks} tasks a seed, each of ${classes} letters with one example, and ${queries} queries of each, drawn by other fonts than the example. ` +
      `Features have their mean over the letters of training taken out, and unit length; the temperature is ${temperature}. The weight λ of the graph is that of ${lambdas.join(', ')} which is best on letters of a third kind, in the fonts of training${isEnd ? '; where it is the largest, more might do better' : ''}.`,
    markdown(['way', 'λ by seed', 'right, with an interval of 95 % over tasks'], rows),
    '![Three tasks: examples, and queries that prototypes and K-means know or not](../images/experiment-few-shot.png)',
    'Three tasks of the first seed, prototypes on the left and K-means on the right: blue the examples, green queries that are right, orange those that are wrong.',
    '## Digits without any label',
    `${digits} real digits of ${sideOfDigits} × ${sideOfDigits} pixels, drawn anew for each seed, are put in ten clusters by \`laplacianKModes\`, their pixels as they are but of unit length. No label takes part; λ and σ are those that the function has by default, since without labels there is nothing to choose them by. Of ${starts} starts that with the least energy counts. A digit is right where its cluster is given its class, in the best way to give each cluster another one.`,
    markdown(
      ['way', 'right by seed'],
      Object.keys(clusterings).map((way) => [way, runs.map((run) => percent(run.digits.find((/** @type {any} */ one) => one.way === way).right)).join(', ')]), // biome-ignore format: one line
    ),
    '## Verdicts',
    `**Prototypes, Laplacian, K-means, in this order: *${order}*.** The rule: right in ever more queries at each seed, of plain prototypes, LaplacianShot and K-means as they are in the table.`,
    `**The graph makes K-means better (SLK-Means): *${graphs}*.** The rule: right in more queries at each seed. Of 100 queries these are ${gains.join(', ')} more, where an interval over tasks is about one each way.`,
    `**Laplacian K-modes put digits in clusters better than K-means: *${byModes}*.** The rule: right in more digits at each seed.`,
    'Queries of one task are of all its letters in equal numbers, which favours clusters: K-means knows the letters of a task by the queries themselves. Where they are unlike in number, ' +
      'moving the queries to the mean of the examples does harm ([guide](../guide/few-shot.md#which-option-matters-first)).',
  ].join('\n\n')}\n`;
}
