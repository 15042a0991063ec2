// The page of the experiment: of each way the rate that is best by the mean of seeds, and what is seen of the claims.
import { markdown, mean, opening, percent } from '../parts.mjs';
import { byRanges } from '../verdicts.mjs';
import { sizes } from './digits.mjs';

const spread = (/** @type {readonly number[]} */ values) =>
  `${percent(Math.min(...values))} – ${percent(Math.max(...values))}`;

/** The rate whose mean is best among runs of one way, and its results. @param {readonly any[]} runs */
function best(runs) {
  const all = [...new Set(runs.map(({ rate }) => rate))];
  const found = all.map((rate) => {
    const own = runs.filter((run) => run.rate === rate);
    const edge = rate === Math.max(...all) ? ', the largest' : rate === Math.min(...all) ? ', the smallest' : '';
    return {
      shownRate: `${rate}${edge}`,
      rate,
      numbers: own[0].numbers,
      before: own.map((run) => run.before),
      after: own.map((run) => run.after),
    };
  });
  return found.reduce((a, b) => (mean(b.after) > mean(a.after) ? b : a));
}

/** @param {readonly any[]} runs @param {string} effort */
export function pageOf(runs, effort) {
  const of = (/** @type {string} */ part) => runs.filter((run) => run.part === part);
  const ways = [...new Set(of('tune').map(({ way }) => way))];
  const tuned = new Map(ways.map((way) => [way, best(of('tune').filter((run) => run.way === way))]));
  const federated = [...new Set(of('federate').map(({ noise }) => noise))].flatMap((noise) =>
    [...new Set(of('federate').map(({ way }) => way))].map((way) => ({
      noise,
      way,
      ...best(of('federate').filter((run) => run.way === way && run.noise === noise)),
    })),
  );
  const { steps, rounds, batch } = sizes.full;
  const at = (/** @type {number} */ noise, /** @type {string} */ way) =>
    /** @type {any} */ (federated.find((run) => run.noise === noise && run.way === way)).after;
  const verdict = (/** @type {readonly number[]} */ ours, /** @type {readonly number[]} */ others) => {
    const said = byRanges(ours, others);
    return said.startsWith('no ') ? `${said} (means ${percent(mean(ours))} and ${percent(mean(others))})` : said;
  };
  const loldu = (/** @type {string} */ way) => verdict(tuned.get('LoLDU')?.after ?? [], tuned.get(way)?.after ?? []);
  return `${opening('Adapters on digits', 'adapters', effort).join('\n\n')}

A network of three dense layers (784, 128, 128, 10) is trained on upright digits; then it learns the same digits turned over
their diagonal. Shares are of 2,000 test digits, of the best rate by the mean of ${tuned.get(ways[0])?.after.length} seeds; the rate is chosen by the same
digits, alike for all.

![Digits that are right, by way and rate](../images/experiment-adapters.png)

The rule of the verdicts: better or worse in every seed where the ranges over the seeds do not overlap; else no difference is
seen.

## LoLDU, LoRA and all numbers

${steps} steps of AdamW in batches of ${batch}. Biases are trained where all numbers are, and frozen elsewhere; LoLDU has alpha = rank,
a scale of 1. Before, ${percent(mean(/** @type {any} */ (tuned.get(ways[0])).before))} are right.

${markdown(
  ['way', 'numbers trained', 'rate', 'right', 'over seeds'],
  [...tuned].map(([way, { numbers, shownRate, after }]) => [
    way,
    `${numbers}`,
    shownRate,
    percent(mean(after)),
    spread(after),
  ]),
)}

LoLDU's claim is about equal results with far fewer numbers. Here, against training of all numbers: *${loldu('full')}*; against LoRA
of rank 1: *${loldu('LoRA, rank 1')}*.

## FedSVD with uneven clients and noise

Six clients with shares of the classes by a Dirichlet distribution of 0.5, three of them a round, ${rounds} rounds of 5 steps of SGD
on b alone, rank 8. Gradients of samples are clipped to 2; noise 1 adds normal numbers of deviation 2 to each sum of ${batch}.

${markdown(
  ['noise', 'way', 'rate', 'right', 'over seeds'],
  federated.map(({ noise, way, shownRate, after }) => [
    `${noise}`,
    way,
    shownRate,
    percent(mean(after)),
    spread(after),
  ]),
)}

FedSVD against an a that stays as it was drawn:

- without noise *${verdict(at(0, 'FedSVD'), at(0, 'a fixed'))}*;
- with noise *${verdict(at(1, 'FedSVD'), at(1, 'a fixed'))}*.

As b alone is trained, the space of a's rows stays, and steps of SGD on b do not depend on how a is turned within it: FedSVD
gives a orthonormal rows here, which are √3 times as long as drawn ones, so that it wants smaller rates. A rate at an end of those
that were tried is marked: one beyond it may be better.
`;
}
