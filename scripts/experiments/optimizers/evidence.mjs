// A claim's verdict, what it rests on, and what would change it.
import { finalLoss, isAtEnd, mean, meanSharpness, median, reached, spread } from './figures.mjs';
import { compare, tolerance, verdict } from './verdicts.mjs';

/** @type {Record<import('./claims.mjs').Claim['figure'], (run: any) => number>} */
const figures = {
  loss: finalLoss,
  sharpness: meanSharpness,
  steps: ({ steps }) => steps,
  signs: ({ signs }) => signs,
};

export const short = (/** @type {number} */ value) =>
  Number.isFinite(value) ? `${Number(value.toPrecision(3))}` : 'none: not finite';
const percent = (/** @type {number} */ share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '∞');

/** Steps of the median run to a loss. @param {readonly any[]} runs @param {number} target */
export const stepsTo = (runs, target) => median(runs.map((run) => reached(run, target)?.steps ?? Infinity));
/** Seconds likewise. @param {readonly any[]} runs @param {number} target */
export const secondsTo = (runs, target) => median(runs.map((run) => reached(run, target)?.seconds ?? Infinity));
export const orNever = (/** @type {number} */ value) => (Number.isFinite(value) ? short(value) : 'never');

/**
 * @param {import('./claims.mjs').Claim} claim
 * @param {readonly import('./runs.mjs').Outcome[]} outcomes
 * @returns {{ verdict: string, lines: string[] }}
 */
export function judge(claim, outcomes) {
  const entry = (/** @type {any} */ { entries }, /** @type {string | undefined} */ name) =>
    entries.find((/** @type {{ name: string }} */ own) => own.name === name);
  const fitting = outcomes.filter(({ task }) => claim.figure !== 'sharpness' || task.curved);
  if (claim.claim === 'zero')
    return judgeZero(
      claim,
      fitting.filter((own) => entry(own, claim.method)),
    );
  const compared = fitting
    .filter((own) => entry(own, claim.method) && entry(own, claim.other))
    .map((own) => {
      const [method, other] = [claim.method, claim.other].map((name) => entry(own, name).best);
      const [a, b] = [method, other].map((runs) => runs.map(figures[claim.figure]));
      const gap = claim.toward ? gapOf(claim, own, entry) : undefined;
      const found = compare(a, b);
      // Without a gap, none can be closed.
      const outcome = gap && gap.closed === undefined ? 'even' : found.outcome;
      const atEnd = [claim.method, claim.other].filter((name) => {
        const { tuning, rate } = entry(own, name);
        return isAtEnd(tuning, rate);
      });
      const isGapless = gap !== undefined && gap.closed === undefined;
      /** @type {('better' | 'worse')[]} */
      const mayBe = [];
      if (outcome === 'even' && !isGapless && atEnd.includes(claim.method)) mayBe.push('better');
      if (outcome === 'even' && !isGapless && atEnd.includes(claim.other)) mayBe.push('worse');
      const loser = { better: claim.other, even: undefined, worse: claim.method }[outcome];
      const isOpen = atEnd.includes(loser) || mayBe.length > 0;
      return { ...own, method, other, a, b, ...found, outcome, gap, atEnd, isOpen, mayBe };
    });
  const found = verdict(claim.claim, compared);
  const lines = compared.map((own) => {
    const { task, target, method, other, a, b, gain, outcome } = own;
    const [near, far] = [a, b].map(
      (numbers) => `${short(mean(numbers))} (spread over seeds ${short(spread(numbers))})`,
    );
    const steps = `steps to loss ${short(target)}: ${orNever(stepsTo(method, target))} against ${orNever(stepsTo(other, target))}`;
    const side = gain >= 0 ? 'lower' : 'higher';
    const rates = own.atEnd.map((name) => `; the best rate of ${name} is at an end of its grid`).join('');
    const open = own.isOpen ? ', beyond which it may be another' : '';
    return (
      `${task.title}: ${claim.figure} ${near} against ${far}, ${percent(Math.abs(gain))} ${side}, which counts as ${outcome} ` +
      `beside a spread of ${percent(own.spread)}; ${steps}${own.gap?.text ?? ''}${rates}${open}.`
    );
  });
  return { verdict: found, lines: [...lines, changeOf(claim, found, compared)] };
}

/**
 * @param {any} claim
 * @param {any} outcome
 * @param {(outcome: any, name: any) => any} entry
 * @returns {{ closed: number | undefined, text: string }} the share of the gap that is closed; nothing where there is no gap
 */
function gapOf(claim, outcome, entry) {
  const [from, here, to] = [claim.other, claim.method, claim.toward].map((name) =>
    mean(entry(outcome, name).best.map(figures[claim.figure])),
  );
  if (!(from > to)) return { closed: undefined, text: `; there is no gap to ${claim.toward}` };
  const closed = (from - here) / (from - to);
  return { closed, text: `; of the gap to ${claim.toward} ${percent(closed)} is closed` };
}

/** @param {any} claim @param {readonly any[]} outcomes */
function judgeZero(claim, outcomes) {
  if (outcomes.length === 0) return { verdict: 'not run yet', lines: [] };
  const lines = outcomes.map(({ task, entries }) => {
    const share = (/** @type {string} */ name) => {
      const runs = entries.find((/** @type {any} */ own) => own.name === name)?.best ?? [];
      return Math.max(...runs.map(figures[/** @type {'signs'} */ (claim.figure)]));
    };
    const steps = entries.find((/** @type {any} */ own) => own.name === claim.method).best[0].steps;
    return `${task.title}: a share of ${short(share(claim.method))} in ${steps} steps, of SGD ${short(share('SGD'))}.`;
  });
  const all = outcomes.flatMap(({ entries }) =>
    entries.filter(({ name }) => name === claim.method).flatMap((own) => [...own.tuning, ...own.best]),
  );
  const isZero = all.every((run) => figures[/** @type {'signs'} */ (claim.figure)](run) === 0);
  return {
    verdict: isZero ? 'seen' : 'refuted',
    lines: [...lines, `One run with another figure than 0 decides; ${all.length} runs count.`],
  };
}

/** @param {any} claim @param {string} found @param {readonly any[]} compared */
function changeOf(claim, found, compared) {
  if (found === 'not run yet') return 'It waits for a class, and for its runs.';
  const named = (/** @type {readonly any[]} */ list) => list.map(({ task }) => task.title).join('; ');
  if (found === 'seen') {
    const [closest] = [...compared].sort((a, b) => a.gain - a.spread - (b.gain - b.spread));
    const least =
      claim.claim === 'better'
        ? `fall to the spread of ${percent(closest.spread)}`
        : `fall below −${percent(tolerance)}`;
    return `What would change it: ${closest.task.title} is the closest, were its gain of ${percent(closest.gain)} to ${least}.`;
  }
  const open = compared.filter(({ isOpen }) => isOpen);
  if (found === 'not decided at the edge of the grid')
    return `What would decide it: rates beyond the grid in ${named(open)}.`;
  const wrong = compared.filter(({ outcome, gain }) =>
    claim.claim === 'better' ? outcome !== 'better' : outcome !== 'better' && gain < -tolerance,
  );
  const wanted =
    claim.claim === 'better' ? 'a gain above the spread, at each seed,' : `a loss at most ${percent(tolerance)} higher`;
  const ends = wrong.some(({ atEnd }) => atEnd.includes(claim.method)) ? 'rates beyond the grid, ' : '';
  return `What would change it: ${wanted} in ${named(wrong)}. It may show with ${ends}more seeds, longer runs or larger networks.`;
}
