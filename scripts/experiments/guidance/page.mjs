// docs/experiments/guidance.md, from recorded runs.
import { markdown, mean, opening, wholePercent } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { classes, pixels, side } from './digits.mjs';
import { most, scales, sizes, ways } from './run.mjs';

const names = Object.keys(ways);
const [plain, projected] = names;
const bounded = /** @type {string} */ (names.at(-1));
const [lowest, highest] = [scales[0], /** @type {number} */ (scales.at(-1))];
/** Shares of plain guidance's excess of length that may remain, and of digits that must be right. */
const [halfOf, quarterOf, least] = [0.5, 0.25, 0.9];

/** @param {any} run @param {string} way @param {number} scale @returns {import('./run.mjs').Row} */
const rowOf = (run, way, scale) => run.rows.find((/** @type {any} */ row) => row.way === way && row.scale === scale);
/** The amount by which digits are longer at the highest scale than at the lowest. @param {any} run @param {string} way */
const excess = (run, way) => rowOf(run, way, highest).length - rowOf(run, way, lowest).length;

/** @param {readonly any[]} runs one a seed @returns {{ saturates: string, projection: string, holds: string, right: string }} verdicts by the page's rules */
export function judge(runs) {
  const by = (/** @type {(run: any) => boolean} */ isSeen) => inEach(runs, isSeen);
  return {
    saturates: by((run) => scales.every((scale, i) => i === 0 || rowOf(run, plain, scale).outside > rowOf(run, plain, scales[i - 1]).outside)), // biome-ignore format: one line
    projection: by((run) => excess(run, projected) < halfOf * excess(run, plain)),
    holds: by((run) => excess(run, bounded) < quarterOf * excess(run, plain)),
    right: by((run) => rowOf(run, bounded, highest).right >= least),
  };
}

/** @param {readonly any[]} runs one a seed @param {string} effort */
export function pageOf(runs, effort) {
  const { steps, times, each, width } = sizes.full;
  const { saturates, projection, holds, right } = judge(runs);
  const rows = names.flatMap((way) =>
    scales.map((scale) => {
      const own = runs.map((run) => rowOf(run, way, scale));
      const of = (/** @type {'length' | 'outside' | 'right' | 'spread'} */ key) => own.map((row) => row[key]);
      const range = (/** @type {readonly number[]} */ x) =>
        `${Math.min(...x).toFixed(2)} – ${Math.max(...x).toFixed(2)}`;
      return [way, `${scale}`, mean(of('length')).toFixed(2), range(of('length')), wholePercent(mean(of('outside'))), wholePercent(mean(of('right'))), mean(of('spread')).toFixed(2)]; // biome-ignore format: one line
    }),
  );
  const saturated = (/** @type {string} */ way) =>
    wholePercent(mean(runs.map((run) => rowOf(run, way, highest).outside)));
  return `${[
    ...opening('Digits at high scales of guidance', 'guidance', effort),
    `A diffusion model of digits of ${side} × ${side} pixels from −1 to 1, a network of ${width} wide layers without convolutions, learns to predict v in ${steps} steps by \`orthokit/nn\`; one digit in seven comes without its class. ` +
      `DDIM draws ${each} digits of each of ${classes} classes in ${times} steps, from the same noise for every way and scale; \`AdaptiveProjectedGuidance\` works on predictions of x₀, which \`predictionTo\` makes of v and turns into noise. Nothing is clamped on the way.`,
    `*Length* is the mean Euclidean length over that of real digits, *saturated* the share of the ${pixels} pixels beyond ±${most}; *right* are digits that a network which has seen real ones alone takes for their class (of real ones ${wholePercent(mean(runs.map(({ real }) => real.right)))}), ` +
      'and *spread* is the deviation among digits of a class over that of real ones, both after clamping to −1 to 1. Means of three seeds.',
    markdown(['way', 'scale', 'length', 'over seeds', 'saturated', 'right', 'spread'], rows),
    '![Digits by way, scale and class](../images/experiment-guidance.png)',
    `A digit of each class by one model: above ${names.slice(0, 2).join(' and ')}, below ${names.slice(2).join(' and ')}; in each block from top to bottom scales ${scales.join(', ')}. Orange and blue are pixels beyond ±${most}. At scales of 10 and more some projected digits get a dark ground, which neither length nor labels tell.`,
    '## Verdicts',
    `**Plain guidance saturates ever more with the scale: *${saturates}*.** The rule: more pixels beyond ±${most} at each higher scale, at each seed.`,
    `**Projection alone takes half of the excess of length away: *${projection}*.** The rule: digits at scale ${highest} are longer than at scale ${lowest} by less than half of what they are under plain guidance, at each seed. Of saturation it takes less away: from ${saturated(plain)} of the pixels to ${saturated(projected)} at scale ${highest}.`,
    `**Projection, a bound and reverse momentum take three quarters of it away: *${holds}*.** The rule: the same with a quarter, bounded by 1; ${saturated(bounded)} are saturated. At the scales that give most right digits, 3 to 7, they stay within a fifth of the length of real ones.`,
    `**Classes stay what they are: *${right}*.** The rule: at least ${wholePercent(least)} right at scale ${highest}, bounded by 1, at each seed.`,
  ].join('\n\n')}\n`;
}
