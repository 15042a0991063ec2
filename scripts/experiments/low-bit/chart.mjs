// The curves of the three ways to move a model, by the time of a processor.
import { colors, drawChart, style } from '../../../examples/chart.mjs';
import { every } from './move.mjs';

/** @param {readonly any[]} runs @param {any} verdicts of the page @param {string} folder */
export function drawLosses(runs, { ways }, folder) {
  const values = ways.flatMap((/** @type {any} */ way) =>
    runs
      .filter((run) => run.kind === 'move' && way.is(run))
      .flatMap(({ losses, seed }) =>
        losses.map((/** @type {number | null} */ loss, /** @type {number} */ i) => ({
          seconds: (i * every.full * way.cost) / 1000,
          loss,
          seed,
          way: way.name,
        })),
      ),
  );
  const most = Math.max(...values.filter(({ way }) => way === ways[0].name).map(({ seconds }) => seconds));
  return drawChart(
    {
      ...style,
      config: { ...style.config, legend: { ...style.config.legend, labelLimit: 0 } },
      title: 'A model of 4 bits is moved to another text, three seeds',
      width: 480,
      height: 280,
      data: { values: values.filter(({ seconds, loss }) => seconds <= most && loss !== null) },
      mark: { type: 'line' },
      encoding: {
        x: { field: 'seconds', type: 'quantitative', title: 'Seconds of a processor' },
        y: { field: 'loss', type: 'quantitative', title: 'Loss of the other text', scale: { zero: false } },
        color: {
          field: 'way',
          type: 'nominal',
          title: null,
          scale: { range: colors.slice(1) },
          legend: { orient: 'bottom', columns: 1 },
        },
        detail: { field: 'seed' },
      },
    },
    { folder, name: 'experiment-low-bit', kinds: ['png'], zoom: 1.5 },
  );
}
