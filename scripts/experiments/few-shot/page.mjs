// docs/experiments/few-shot.md, from recorded runs.
import { markdown, opening, percent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { side } from './glyphs.mjs';
import { classes, lambdas, queries, sizes, temperature, ways } from './run.mjs';

const [prototype, , laplacian, kmeans, graph] = Object.keys(ways);

/** @param {readonly any[]} runs one a seed @returns {{ order: string, graph: string }} verdicts by the page's rules */
export function judge(runs) {
  const by = (/** @type {(right: (way: string) => number) => boolean} */ isSeen) =>
    inEach(runs, ({ found }) => isSeen((way) => found.find((/** @type {any} */ one) => one.way === way).right));
  return {
    order: by((right) => right(prototype) < right(laplacian) && right(laplacian) < right(kmeans)),
    graph: by((right) => right(graph) > right(kmeans)),
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { order, graph: graphs } = judge(runs);
  const { letters, fonts, unseen, others } = runs[0].counts;
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
    '## Verdicts',
    `**Prototypes, Laplacian, K-means, in this order: *${order}*.** The rule: right in ever more queries at each seed, of plain prototypes, LaplacianShot and K-means as they are in the table.`,
    `**The graph makes K-means better (SLK-Means): *${graphs}*.** The rule: right in more queries at each seed.`,
    'Queries of one task are of all its letters in equal numbers, which favours clusters: K-means knows the letters of a task by the queries themselves. Where they are unlike in number, ' +
      'moving the queries to the mean of the examples does harm ([guide](../guide/few-shot.md#which-option-matters-first)).',
  ].join('\n\n')}\n`;
}
