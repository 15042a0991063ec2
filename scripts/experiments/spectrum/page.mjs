// docs/experiments/spectrum.md, from recorded runs, and its picture.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { markdown, mean, opening } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { above } from './density.mjs';
import { batches, sizes as edges } from './edge.mjs';
import { networks, safeties, sizes } from './run.mjs';

const titles = { mlp: 'digits, dense layers', cnn: 'digits, convolutions', gpt: 'letters, GPT' };
/** Bounds: how near gradient descent must come to 2/lr, and how much more than the best of the grid a rate of Lanczos may leave. */
const [near, more] = [0.05, 1.1];
/** A tenth of the largest eigenvalue: those above it are apart from the others, if they are few. */
const apart = 0.1;
const few = 0.01;

/** @param {readonly any[]} runs */
const parts = (runs) => ({
  edge: runs.filter(({ part }) => part === 'edge'),
  train: runs.filter(({ part }) => part === 'train'),
});
/** The last look that is there. @param {any} run */
const end = (run) => run.curve.at(-1);
/** True for a run that came down: at a rate that is too large the loss runs away. @param {any} run */
const hasStayed = (run) => end(run).loss <= run.curve[0].loss;
/** @param {any} run with spectra */
const outer = ({ spectra }) => {
  const { largest, values } = spectra.at(-1);
  return above(values, apart * largest);
};

/** Mean test loss over seeds; infinite if one has run away. @param {readonly any[]} runs */
const loss = (runs) => mean(runs.map(({ test }) => test ?? Infinity));
/** The best rate of the grid for a network, and rates by Lanczos. @param {readonly any[]} train @param {string} network */
function compare(train, network) {
  const own = train.filter((run) => run.network === network);
  const rates = [...new Set(own.flatMap(({ rate }) => rate ?? []))];
  const byRate = rates.map((rate) => ({ rate, loss: loss(own.filter((run) => run.rate === rate)) }));
  const best = byRate.reduce((first, one) => (one.loss < first.loss ? one : first));
  return {
    byRate,
    best,
    byLanczos: safeties
      .map((safety) => ({ safety, runs: own.filter((run) => run.safety === safety) }))
      .filter(({ runs: all }) => all.length > 0),
  };
}

/** @param {ReturnType<typeof compare>} found of a network @param {number} safety */
const isNear = ({ best, byLanczos }, safety) =>
  byLanczos.some((one) => one.safety === safety && loss(one.runs) < more * best.loss);

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const { edge, train } = parts(runs);
  const found = networks.map((network) => compare(train, network));
  return {
    outliers: inEach(
      train.filter(({ spectra }) => spectra.length > 0),
      (run) => outer(run) < few * run.parameters,
    ),
    edge: inEach(
      edge.filter(({ batch }) => batch === 0),
      (run) => Math.abs((end(run).largest * run.rate) / 2 - 1) < near,
    ),
    flatter: inEach(
      edge.filter((run) => run.batch === 1 && hasStayed(run)),
      (run) => {
        const plain = edge.find((other) => other.batch === 0 && other.rate === run.rate && other.seed === run.seed);
        return (end(run).trace * run.rate) / 2 <= 1 && (end(plain).trace * run.rate) / 2 > 1;
      },
      (run) => (end(run).trace * run.rate) / 2 > 1,
    ),
    rate: inEach(found, (one) => safeties.some((safety) => isNear(one, safety))),
  };
}

/** @param {readonly any[]} runs */
export function figures(runs) {
  const { edge, train } = parts(runs);
  return {
    head: ['run', 'seed', 'loss', 'largest', 'trace'],
    rows: [
      ...edge.map((run) => [
        `${run.batch || 'all'} a step`,
        `${run.seed}`,
        ...[end(run).loss, end(run).largest, end(run).trace].map((x) => x.toPrecision(3)),
      ]),
      ...train.map((run) => [
        `${run.network} ${run.rate ?? 'Lanczos'}`,
        `${run.seed}`,
        `${run.test?.toFixed(3) ?? '∞'}`,
        ...['largest', 'trace'].map((key) => run.spectra.at(-1)?.[key].toPrecision(3) ?? ''),
      ]),
    ],
  };
}

const digits = (/** @type {number} */ x) => (Number.isNaN(x) ? '–' : x === Infinity ? 'ran away' : x.toPrecision(3));

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const { edge, train } = parts(runs);
  const verdicts = judge(runs);
  const rates = [...new Set(edge.map(({ rate }) => rate))];
  const list = (/** @type {readonly any[]} */ of, /** @type {(run: any) => number} */ value) =>
    of.map((run) => digits(value(run))).join(', ');
  const atEdge = rates.flatMap((rate) =>
    batches.map((batch) => {
      const own = edge.filter((run) => run.rate === rate && run.batch === batch);
      return [
        `${batch || 'all'}`,
        `${rate}`,
        `${edges.full.steps[batch]}`,
        list(own, (run) => (hasStayed(run) ? end(run).loss : Infinity)),
        list(own, (run) => (hasStayed(run) ? (end(run).largest * rate) / 2 : NaN)),
        list(own, (run) => (hasStayed(run) ? (end(run).trace * rate) / 2 : NaN)),
      ];
    }),
  );
  const spectra = networks.flatMap((network) => {
    const own = train.filter((run) => run.network === network && run.spectra.length > 0);
    return own[0].spectra.map((/** @type {any} */ { step }, /** @type {number} */ i) => [
      titles[network],
      `${own[0].parameters}`,
      `${step}`,
      list(own, (run) => run.spectra[i].largest),
      list(own, (run) => run.spectra[i].trace),
      list(own, (run) => above(run.spectra[i].values, apart * run.spectra[i].largest)),
    ]);
  });
  const learnt = networks.map((network) => {
    const { byRate, best, byLanczos } = compare(train, network);
    const isEnd = best === byRate[0] || best === byRate.at(-1);
    return [
      titles[network],
      `${digits(best.loss)} at ${best.rate}${isEnd ? ', an end of the grid' : ''}`,
      ...byLanczos.map(
        ({ runs: own }) =>
          `${digits(loss(own))}, last rates ${own.map(({ rates: all }) => all.at(-1).toPrecision(2)).join(', ')}`,
      ),
    ];
  });
  const { steps, every, lanczos, probes, depth } = sizes.full;
  const ones = edge.filter(({ batch }) => batch === 1);
  const away = ones.filter((run) => !hasStayed(run));
  const safe = safeties.filter((safety) => networks.every((network) => isNear(compare(train, network), safety)));
  return `${[
    ...opening('Spectra, the edge of stability, and rates by Lanczos', 'spectrum', effort),
    `![Spectra through training, and curvature against 2 / lr](../images/experiment-spectrum.png)`,
    '## Spectra',
    `Networks learn by SGD for ${steps} steps. Eigenvalues of the Gauss–Newton matrix over samples that are always the same are estimated by \`lanczos\`, ${depth} steps from each of ${probes} ` +
      `random vectors, through \`flat(nn.oracle(…), 'gauss-newton')\`. At 3 seeds, with how many eigenvalues are above a tenth of the largest one:`,
    markdown(['network', 'parameters', 'steps', 'largest', 'trace', 'above a tenth'], spectra),
    'A spectrum takes 0.8 s of processors for the dense layers, 10.9 for the convolutions and 9.3 for the GPT; at most 60 were aimed at. ' +
      'By the clock, with 12 to 14 programs on two processors of an Intel Xeon, those were 2.2, 73 and 77 s.',
    '## Edge of stability',
    `${edges.full.count} digits of 7 × 7 pixels are told odd from even by a network with ${edges.full.hidden} hidden units, tanh and half the mean squared error, which it can make 0. Steps are taken with all digits, with 8 and with 1. ` +
      'Curvature is that of the Jacobian of all outputs (`stabilityReport`), which at a minimum of 0 is the Hessian. At the end, at 3 seeds, as shares of the bound 2 / lr:',
    markdown(['samples a step', 'rate', 'steps', 'loss', 'largest · lr / 2', 'trace · lr / 2'], atEdge),
    '## Rates by Lanczos',
    `\`LanczosLrLearner\` takes ${lanczos} products with the Gauss–Newton matrix of the batch every ${every} steps. Mean test loss after ${steps} steps over 3 seeds, against a grid of rates ${train.length > 0 ? [...new Set(train.flatMap(({ rate }) => rate ?? []))].join(', ') : ''}, by the best of them:`,
    markdown(['network', 'best of the grid', ...safeties.map((safety) => `Lanczos, safety ${safety}`)], learnt),
    '## Verdicts',
    `**A few eigenvalues stand apart from all others: *${verdicts.outliers}*.** The rule: less than ${100 * few} % of the parameters have eigenvalues above a tenth of the largest, at the end, for each network and seed.`,
    `**Gradient descent goes to where the largest eigenvalue is 2 / lr (arXiv 2103.00065): *${verdicts.edge}*.** The rule: it ends within ${100 * near} % of that, at each rate and seed.`,
    `**SGD with batches of 1 goes to where the trace, too, is at most 2 / lr (after Wu and Su 2023; our reading): *${verdicts.flatter}*.** The rule: of each run that does not run away, it ends there, and gradient descent at the same rate and seed does not. ${away.length > 0 ? `${away.length} of ${ones.length} ran away, at a rate of ${[...new Set(away.map(({ rate }) => rate))].join(', ')}, and are not counted: such a run begins beyond the bound and finds no minimum within it.` : ''}`,
    `**Lanczos finds a rate about as good as a search (after Granziol, Zohren and Roberts 2022; our learner): *${verdicts.rate}*.** The rule: of each network, one of both safeties ends within ${Math.round(100 * (more - 1))} % of the test loss of the grid's best.${safe.length > 0 ? ` A safety of ${safe.join(' or of ')} does for all, which was not known beforehand.` : ''}`,
    "The learner takes the stable rate of the batch at hand for the rate of all steps to come; its paper's own schedule could not be read. A search costs as many runs as it has rates; the learner takes half a product a step beside the gradients of its run, and each safety that is tried is a run.",
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder @returns {Promise<string[]>} the files */
export function draw(runs, folder) {
  const { edge, train } = parts(runs);
  const size = { width: 220, height: 180 };
  const spectra = networks.map((network) => {
    const [run] = train.filter((one) => one.network === network && one.spectra.length > 0);
    const values = run.spectra.flatMap((/** @type {any} */ { step, values: all }) => {
      let count = 0;
      return all
        .toSorted((/** @type {number[]} */ a, /** @type {number[]} */ b) => b[0] - a[0])
        .flatMap((/** @type {number[]} */ [value, weight]) => {
          count += weight;
          return value > 1e-4 && count > 0.3 ? [{ step: `${step}`, value, count }] : [];
        });
    });
    return {
      ...{ ...size, title: `Spectrum: ${titles[network]}`, data: { values } },
      mark: { type: 'line', interpolate: 'step-after' },
      encoding: {
        x: { field: 'value', type: 'quantitative', title: 'eigenvalue', scale: { type: 'log' } },
        y: { field: 'count', type: 'quantitative', title: 'so many are larger', scale: { type: 'log' } },
        color: { field: 'step', type: 'nominal', title: 'after steps', sort: null, scale: { range: colors.slice(1) } },
      },
    };
  });
  // The smallest rate, at which no run runs away.
  const rate = Math.min(...edge.map((run) => run.rate));
  const looks = edge
    .filter((run) => run.rate === rate && run.seed === 1)
    .flatMap(({ batch, rate: lr, curve }) =>
      curve.map((/** @type {any} */ { step, loss: value, trace, largest }) => ({
        name: `${batch || 'all'}`,
        part: step / curve.at(-1).step,
        loss: value,
        trace: (trace * lr) / 2,
        largest: (largest * lr) / 2,
      })),
    );
  const panel = (/** @type {string} */ field, /** @type {string} */ title) => ({
    ...{ ...size, title, data: { values: looks } },
    layer: [
      {
        mark: { type: 'line' },
        encoding: {
          x: { field: 'part', type: 'quantitative', title: 'share of the run' },
          y: { field, type: 'quantitative', title: null, scale: { type: 'log' } },
          color: {
            field: 'name',
            type: 'nominal',
            title: 'samples a step',
            sort: null,
            scale: { range: [colors[0], colors[1], colors[2]] },
          },
        },
      },
      ...(field === 'loss'
        ? []
        : [{ mark: { type: 'rule', strokeDash: [4, 3], color: 'gray' }, encoding: { y: { datum: 1 } } }]),
    ],
  });
  const vconcat = [
    { hconcat: spectra },
    {
      hconcat: [
        panel('largest', `Largest eigenvalue · lr / 2, lr ${rate}`),
        panel('trace', 'Trace · lr / 2'),
        panel('loss', 'Loss'),
      ],
    },
  ];
  return drawChart(/** @type {any} */ ({ ...style, vconcat, resolve: { scale: { color: 'independent' } } }), {
    folder,
    name: 'experiment-spectrum',
    kinds: ['png'],
    zoom: 1.5,
  });
}
