// docs/experiments/policy.md, from recorded runs.
import { drawLines } from '../lines.mjs';
import { markdown, mean, origin } from '../parts.mjs';
import { seen } from '../verdicts.mjs';
import { environments, methods, rates, sizes } from './run.mjs';

/** @import { Method, Place } from './run.mjs' */

/** Rates are chosen by other seeds than those that are judged. */
export const seeds = { chosen: [101, 102, 103], judged: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] };
export const places = /** @type {Place[]} */ (Object.keys(environments));
/** Returns at the end that count as learned; the most of the cart is 200, and a swing of the links takes some 70 steps at least. */
const learned = { cartpole: 190, acrobot: -120 };
const plain = 'policy gradient';

/** @param {readonly any[]} runs @param {Place} place @param {Method} method */
const of = (runs, place, method) => runs.filter((run) => run.place === place && run.method === method);

/** The rate that did best by the mean of the choosing seeds. @param {readonly any[]} runs @param {Place} place @param {Method} method @returns {number | undefined} nothing as long as one of their runs is missing */
export function bestRate(runs, place, method) {
  const scores = rates[place][method].map((rate) => {
    const own = of(runs, place, method).filter((run) => run.rate === rate && seeds.chosen.includes(run.seed));
    return own.length === seeds.chosen.length ? mean(own.map(areaOf)) : undefined;
  });
  if (scores.includes(undefined)) return undefined;
  return rates[place][method][scores.indexOf(Math.max(.../** @type {number[]} */ (scores)))];
}

/** The mean return over the whole way. @param {{ curve: readonly (readonly [number, number])[] }} run */
export const areaOf = ({ curve }) => mean(curve.map(([, value]) => value));

/** @param {readonly any[]} runs */
const judged = (runs) => runs.filter(({ seed }) => seeds.judged.includes(seed));

/** The number of seeds in which a method has a larger mean over the whole way than the plain one. @param {readonly any[]} runs @param {Place} place @param {Method} method */
export function winsOf(runs, place, method) {
  const [own, other] = [method, plain].map((name) => of(judged(runs), place, /** @type {Method} */ (name)));
  return own.filter((run) => areaOf(run) > areaOf(other.find(({ seed }) => seed === run.seed))).length;
}

/** @param {number} wins */
export const compared = (wins) =>
  wins >= 9 ? 'better' : wins <= 1 ? 'worse' : 'no difference beyond the spread of seeds';

/** @param {readonly any[]} runs with their settings @param {string} effort */
export function pageOf(runs, effort) {
  const { samples, count, judged: episodes } = sizes.full;
  const tables = places.map((place) => {
    const rows = methods.map((method) => {
      const own = of(judged(runs), place, method);
      const ends = own.map(({ end }) => end);
      const range = `${Math.min(...ends).toFixed(0)} to ${Math.max(...ends).toFixed(0)}`;
      const wins = method === plain ? '' : `${winsOf(runs, place, method)} of ${own.length}`;
      return [
        method,
        `${bestRate(runs, place, method)}`,
        mean(ends).toFixed(1),
        range,
        mean(own.map(areaOf)).toFixed(1),
        wins,
      ];
    });
    return `**${environments[place].name}**, ${samples[place].toLocaleString('en')} steps:\n\n${markdown(['method', 'step size', 'return at the end', 'over seeds', 'over the whole way', 'seeds better than the plain one'], rows)}`; // biome-ignore format: one line
  });
  const verdicts = places.flatMap((place) => [
    ...methods.map((method) => {
      const own = of(judged(runs), place, method);
      return `**${environments[place].name} is learned by ${method}: *${seen(own.map(({ end }) => end >= learned[place]))}*.**`;
    }),
    ...methods.filter((method) => method !== plain).map((method) => `**${method} against the plain policy gradient on ${environments[place].name}: *${compared(winsOf(runs, place, method))}*.**`), // biome-ignore format: one line
  ]);
  return `${[
    '# A pole and two links',
    `${origin('policy')} The ${effort} of a busy machine.`,
    `CartPole (at most 200 steps, a point each) and Acrobot (a point less for each step, at most 500; a choice holds for four steps, and counts as one) are JavaScript of the repository, whose types the TypeScript compiler checks, and their actions are chosen by a linear softmax policy. Each gradient is of ${count} trajectories, ` +
      `with rewards to go less their mean over the others; products with Hessians take ${count} trajectories of their own, which count. Discount 0.99 in the objective, none in the returns below. Schedules are those of the paper; ` +
      `the *plain* policy gradient is θ ← θ + γ₀ c^(2/3) g. Step sizes are chosen out of three each, by the mean over the whole way of seeds ${seeds.chosen.join(', ')}; the ten seeds of the tables are others. ` +
      `Returns are means of ${episodes} episodes that are played for that alone; the *end* is the last fifth of the way.`,
    ...tables,
    '![Returns by steps of the environment](../images/experiment-policy.png)',
    'The picture: means of ten seeds.',
    '## Verdicts',
    `The rules: *learned* is a return of at least ${learned.cartpole} and ${learned.acrobot} at the end, at each seed; *better* than the plain policy gradient is a larger mean over the whole way in at least 9 of 10 seeds, *worse* in at most 1.`, // biome-ignore format: one line
    ...verdicts,
    'A return of 9 on CartPole, and of -500 on Acrobot, is that of a policy that always does the same: long first steps on few trajectories lead there, and no gradient leads away ([guide](../guide/policies.md#the-methods)). ' +
      "A product with a Hessian multiplies two sums over a whole trajectory. Of five long trajectories it has much noise, which may be why both methods that use it stay behind here; the paper's rates are of small steps and many of them.",
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export function draw(runs, folder) {
  const panels = places.map((place) => ({
    title: environments[place].name,
    x: 'Steps of the environment',
    y: 'Return',
    lines: Object.fromEntries(
      methods.map((method) => {
        const own = of(judged(runs), place, method);
        return [method, own[0].curve.map(([at]) => at).map((/** @type {number} */ at, /** @type {number} */ i) => /** @type {const} */ ([at, mean(own.map(({ curve }) => curve[i][1]))]))]; // biome-ignore format: one line
      }),
    ),
  }));
  return drawLines(panels, { folder, name: 'experiment-policy' });
}
