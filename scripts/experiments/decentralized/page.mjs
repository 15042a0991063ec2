// docs/experiments/decentralized.md, from recorded runs.
import { lipschitz, mu } from '../../../examples/decentralized/problem.mjs';
import { drawLines } from '../lines.mjs';
import { markdown, mean, origin } from '../parts.mjs';
import { seen } from '../verdicts.mjs';
import { graphs, sizes } from './run.mjs';

/** @import { GraphName } from './run.mjs' */

export const seeds = [1, 2, 3];
export const names = /** @type {GraphName[]} */ (Object.keys(graphs));
/** The slope that the theory promises. */
export const promised = -Math.sqrt(mu / lipschitz) / (8 * Math.SQRT2);
/** Part of the mean by which slopes of graphs may differ. */
const most = 0.15;

/** @param {readonly any[]} runs @param {string} graph */
const of = (runs, graph) => runs.filter((run) => run.graph === graph);

/** @param {readonly any[]} runs @returns {{ fast: string, alike: string, spread: number }} verdicts by the page's rules */
export function judge(runs) {
  const slopes = names.map((graph) => mean(of(runs, graph).map(({ slope }) => slope)));
  const spread = (Math.max(...slopes) - Math.min(...slopes)) / Math.abs(mean(slopes));
  return {
    fast: seen(runs.map(({ slope }) => slope <= promised)),
    alike: spread < most ? 'seen' : 'refuted',
    spread,
  };
}

/** @param {readonly any[]} runs one a graph and seed @param {string} effort */
export function pageOf(runs, effort) {
  const { side, each, until } = sizes.full;
  const { fast, alike, spread } = judge(runs);
  const rows = names.map((graph) => {
    const own = of(runs, graph);
    const [{ chi1, chi2, rate }] = own;
    const ends = own.map(({ trace }) => trace.at(-1));
    return [
      graph,
      chi1.toFixed(1),
      chi2.toFixed(2),
      rate.toFixed(1),
      own.map(({ slope }) => slope.toFixed(4)).join(', '),
      ends.map(([, error]) => error.toExponential(1)).join(', '),
      ends.map(([, , gradients]) => gradients).join(', '),
      ends.map(([, , , communications]) => communications).join(', '),
    ];
  });
  return `${[
    '# Nodes of four graphs',
    `${origin('decentralized')} The ${effort} of a busy machine.`,
    `${side ** 2} nodes with ${each} digits each, split by class, train a softmax regression by DADAO (μ ${mu}, L ${lipschitz}) for ${until} units of time, each of which has one ` +
      'gradient a node in the mean, in a simulation of random times. The *error* is the mean squared distance of the nodes to the solution as a share of its square; the *slope* is that of its ' +
      `logarithm over the second half of the time. The theory promises ${promised.toFixed(4)} a unit of time on any graph, where there are as many communications as the graph asks for (\`minRate\`).`,
    markdown(['graph', 'χ₁', 'χ₂', 'communications a unit', `slope, seeds ${seeds.join(', ')}`, 'error at the end', 'gradients', 'communications'], rows), // biome-ignore format: one line
    '![The error by time falls alike on four graphs; by communications it does not](../images/experiment-decentralized.png)',
    'The picture: seed 1.',
    '## Verdicts',
    `**The error falls at least as fast as promised: *${fast}*.** The rule: the slope of each run is at most ${promised.toFixed(4)}.`,
    `**The slope does not depend on the graph: *${alike}*.** The rule: the means over seeds of the four graphs differ by less than ${100 * most} % of their mean; they differ by ${(100 * spread).toFixed(1)} %. ` +
      'What depends on the graph is the number of communications.',
    'Eight real processes, one of which is stopped and one killed, are [an example](../guide/decentralized.md#a-protocol-that-loses-nothing).',
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export function draw(runs, folder) {
  const lines = (/** @type {number} */ at) => Object.fromEntries(names.map((graph) => [graph, of(runs, graph)[0].trace.map((/** @type {number[]} */ point) => /** @type {const} */ ([point[at], point[1]]))])); // biome-ignore format: one line
  return drawLines(
    [
      { title: 'By time', x: 'Units of time', y: 'Error', isLog: true, lines: lines(0) },
      { title: 'By communications', x: 'Communications', y: 'Error', isLog: true, lines: lines(3) },
    ],
    { folder, name: 'experiment-decentralized' },
  );
}
