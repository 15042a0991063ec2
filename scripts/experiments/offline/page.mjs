// docs/experiments/offline.md, from recorded runs.
import { drawLines } from '../lines.mjs';
import { markdown, mean, origin, percent } from '../parts.mjs';
import { seen } from '../verdicts.mjs';
import { optimum } from './grid.mjs';
import { lambdas, modes, sizes, walked, ways } from './run.mjs';

/** @import { Mode } from './learn.mjs' */
/** @import { Way } from './surgery.mjs' */
/** @typedef {'grid' | 'cart'} Part */

export const seeds = [1, 2, 3, 4, 5];

/** @param {readonly any[]} runs @param {Part} part @param {Mode} mode @param {number} lambda */
const at = (runs, part, mode, lambda) => runs.filter((run) => run.part === part && run.mode === mode && run.lambda === lambda && run.walk === undefined); // biome-ignore format: one line

/** The runs of the λ that does best. @param {readonly any[]} runs @param {Part} part @param {Mode} mode @returns {{ lambda: number, runs: any[] }} */
export function best(runs, part, mode) {
  const all = lambdas[part].map((lambda) => ({ lambda, runs: at(runs, part, mode, lambda) }));
  const score = (/** @type {{ runs: any[] }} */ one) => mean(one.runs.map(({ result }) => result));
  return all.reduce((first, one) => (score(one) > score(first) ? one : first));
}

/** Results that are nearer to each other are equal: the best policy itself is found but for rounding. */
const equal = 1e-4;

/** @param {readonly number[]} own @param {readonly number[]} other of the same seeds */
export function compared(own, other) {
  const wins = own.filter((x, i) => x > other[i] + equal).length;
  return wins === own.length ? 'better in every seed' : own.every((x, i) => x < other[i] - equal) ? 'worse in every seed' : `better in ${wins} of ${own.length}`; // biome-ignore format: one line
}

/** Verdicts by the page's rules. @param {readonly any[]} runs */
export function judge(runs) {
  const results = (/** @type {Part} */ part, /** @type {Mode} */ mode) => best(runs, part, mode).runs.map(({ result }) => result); // biome-ignore format: one line
  const isBest = (/** @type {number} */ x) => x > 0.95 * optimum;
  const part = (/** @type {Part} */ name) => ({
    whole: compared(results(name, 'orthogonal'), results(name, 'true')),
    semi: compared(results(name, 'orthogonal'), results(name, 'semi')),
    cloning: seen(best(runs, name, 'orthogonal').runs.map(({ result, cloning }) => result > cloning)),
  });
  const [alone, operated, sum, both] = ways.map((way) =>
    runs.filter((run) => run.part === 'surgery' && run.way === way),
  );
  return {
    grid: {
      ...part('grid'),
      learned: seen(results('grid', 'orthogonal').map(isBest)),
      semiLearned: seen(results('grid', 'semi').map(isBest)),
    },
    cart: part('cart'),
    keeps: seen(operated.map(({ kept }, i) => kept > alone[i].kept + 0.1)),
    gentle: seen(both.map(({ kept }, i) => kept > sum[i].kept)),
    price: mean(sum.map(({ learned }, i) => learned - both[i].learned)),
  };
}

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const { steps, each, digits, batches } = sizes.full;
  const verdicts = judge(runs);
  const tableOf = (/** @type {Part} */ part, /** @type {(x: number) => string} */ shown) => {
    const rows = modes.map((mode) => {
      const chosen = best(runs, part, mode);
      const others = lambdas[part].map((lambda) =>
        shown(mean(at(runs, part, mode, lambda).map(({ result }) => result))),
      );
      return [mode, `${chosen.lambda}${chosen.lambda === lambdas[part].at(-1) || chosen.lambda === lambdas[part][0] ? ', an end' : ''}`, chosen.runs.map(({ result }) => shown(result)).join(', '), others.join(', '), percent(mean(chosen.runs.map(({ kept }) => kept)))]; // biome-ignore format: one line
    });
    const cloning = best(runs, part, 'orthogonal')
      .runs.map((run) => shown(run.cloning))
      .join(', ');
    return markdown(['gradient', 'best λ', `seeds ${seeds.join(', ')}`, `means at λ ${lambdas[part].join(', ')}`, 'actions with a weight'], [...rows, ['cloning alone', '', cloning, '', '100.0 %']]); // biome-ignore format: one line
  };
  const { returns } = runs.find(({ part }) => part === 'cart');
  const surgery = ways.map((way) => {
    const own = runs.filter((run) => run.part === 'surgery' && run.way === way);
    return [way, ...['before', 'kept', 'learned'].map((key) => own.map((run) => percent(run[key])).join(', '))];
  });
  return `${[
    '# Policies from logged steps, and gradients of two tasks',
    `${origin('offline')} The ${effort} of a busy machine.`,
    `Values are learned by O-DICE from logged steps, ${steps} batches of 64, with the orthogonal, the true and the semi gradient; then the logged actions are repeated with the weights that come of them. ` +
      `Each gradient at the λ that does best by the mean of ${seeds.length} seeds, chosen by the same results.`,
    '## A grid',
    `6 × 6 cells, 2,000 steps of a walker that mostly knows nothing; the exact value of the policy at the first cell, which is at most ${optimum.toFixed(3)}.`,
    tableOf('grid', (x) => x.toFixed(3)),
    'A seed draws the walk and the batches. Of one walk at λ 0.5 with five other orders of batches:',
    markdown(
      ['gradient', 'walk', `batches of seeds ${seeds.join(', ')}`],
      walked.map(([mode, walk]) => [mode, `${walk}`, runs.filter((run) => run.walk === walk && run.mode === mode).map(({ result }) => result.toFixed(4)).join(', ')]), // biome-ignore format: one line
    ),
    `It is the walk that decides, not the batches: on the first one the orthogonal gradient finds the best policy whatever the order, and on the second and third it does not, in 1,500 steps nor in 4,000.`,
    '## CartPole',
    `${each} steps each of a player that mostly balances (return ${returns.good.toFixed(0)} with seed 1), of one that knows nothing (${returns.random.toFixed(0)}), and of one that does the wrong thing (${returns.wrong.toFixed(0)}); ` +
      'nobody tells which is which. The values are linear in squares of the state, the policy is a linear softmax; its mean return of 50 episodes, at most 200.',
    tableOf('cart', (x) => x.toFixed(0)),
    '![Results by λ](../images/experiment-offline.png)',
    'The picture: means of the seeds. Each gradient has λ of its own: on the grid, too large a one leaves too few actions a weight.',
    '## Two tasks of one network',
    `A network of one hidden layer has learned the digits 0 to 4 of ${digits} (${batches} batches), and goes on with 5 to 9, by the same outputs. *New* takes the new digits' gradient alone, *sum* adds that of old digits; with *surgery* \`projectOut\` takes from the new one what is along the old one. ` +
      'Right of the test, among all ten classes:',
    markdown(['way', 'old digits before', 'old digits after', 'new digits'], surgery),
    '## Verdicts',
    `**The orthogonal gradient learns the grid: *${verdicts.grid.learned}*; the semi gradient: *${verdicts.grid.semiLearned}*.** The rule: at least 95 % of the best value, at each seed.`,
    `**Against the true gradient: *${verdicts.grid.whole}* on the grid, *${verdicts.cart.whole}* on CartPole. Against the semi gradient: *${verdicts.grid.semi}* on the grid, *${verdicts.cart.semi}* on CartPole.** Each at its own λ; results within ${equal} of each other count as equal, and so as not better.`,
    `**Weights do better than cloning alone: *${verdicts.grid.cloning}* on the grid, *${verdicts.cart.cloning}* on CartPole.** The rule: at each seed.`,
    `**Surgery alone keeps what was learned: *${verdicts.keeps}*.** The rule: 10 % more of the old digits are right than without it, at each seed. A step across a gradient does no harm at first order only, and many of them do.`,
    `**Surgery of a sum keeps more of the first task than the sum: *${verdicts.gentle}*.** The rule: at each seed. It costs ${percent(verdicts.price)} of the new digits in the mean.`,
  ].join('\n\n')}\n`;
}

/** @param {readonly any[]} runs @param {string} folder */
export function draw(runs, folder) {
  const panel = (/** @type {Part} */ part, /** @type {string} */ title, /** @type {string} */ y) => ({
    ...{ title, y, x: 'λ' },
    lines: Object.fromEntries(modes.map((mode) => [mode, lambdas[part].map((lambda) => /** @type {const} */ ([lambda, mean(at(runs, part, mode, lambda).map(({ result }) => result))]))])), // biome-ignore format: one line
  });
  return drawLines([panel('grid', 'Grid', 'Value'), panel('cart', 'CartPole', 'Return')], { folder, name: 'experiment-offline', width: 260 }); // biome-ignore format: one line
}
