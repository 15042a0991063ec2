// Verdicts by one rule, from figures of runs by several seeds.
import { mean, spread } from './figures.mjs';

/**
 * A method against another one in one task: figures by seed, of which lower ones are better.
 *
 * @typedef {object} Comparison
 * @property {'better' | 'even' | 'worse'} outcome
 * @property {number} gain mean of (other − method) / |other| over the seeds: above 0 where the method is better
 * @property {number} spread over seeds, the larger one of both, as a share of the other's mean
 * @property {boolean} [isOpen] the one that is worse has its best rate at an end of its grid
 * @property {readonly ('better' | 'worse')[]} [mayBe] outcomes of a task that is even, of which one or the other has its best rate at an
 *   end of its grid, were a better one beyond
 */

/** A method that is to be as good as another one may be worse by this share. */
export const tolerance = 0.05;

/** @param {readonly number[]} method @param {readonly number[]} other of the same seeds @returns {Comparison} */
export function compare(method, other) {
  const finite = [method, other].map((figures) => figures.every(Number.isFinite));
  if (!(finite[0] && finite[1])) {
    const outcome = finite[0] === finite[1] ? 'even' : finite[0] ? 'better' : 'worse';
    return { outcome, gain: outcome === 'even' ? 0 : outcome === 'better' ? Infinity : -Infinity, spread: Infinity };
  }
  const gains = method.map((figure, seed) => (other[seed] - figure) / Math.abs(other[seed]));
  const gain = mean(gains);
  const wide = Math.max(spread(method), spread(other)) / Math.abs(mean(other));
  const agree = gains.every((own) => Math.sign(own) === Math.sign(gain));
  const outcome = agree && Math.abs(gain) > wide ? (gain > 0 ? 'better' : 'worse') : 'even';
  return { outcome, gain, spread: wide };
}

/**
 * @param {'better' | 'as good'} claim
 * @param {readonly Comparison[]} comparisons one a task
 * @returns {'seen' | 'not seen at this size' | 'refuted' | 'not run yet' | 'not decided at the edge of the grid'}
 */
export function verdict(claim, comparisons) {
  const measured = ruled(claim, comparisons);
  // A task whose loser may have a better rate beyond its grid decides nothing, and one that is even may be another.
  const open = comparisons.map((own) => (own.isOpen ? { ...own, outcome: 'open' } : own));
  const turned = (/** @type {'better' | 'worse'} */ to) =>
    comparisons.map((own) =>
      own.mayBe?.includes(to) ? { ...own, outcome: to, gain: to === 'better' ? Infinity : -Infinity } : own,
    );
  const isDecided = [open, turned('better'), turned('worse')].every((own) => ruled(claim, own) === measured);
  return isDecided ? measured : 'not decided at the edge of the grid';
}

/**
 * @param {'better' | 'as good'} claim
 * @param {readonly (Omit<Comparison, 'outcome'> & { outcome: string })[]} comparisons
 */
function ruled(claim, comparisons) {
  if (comparisons.length === 0) return 'not run yet';
  const count = (/** @type {string} */ outcome) => comparisons.filter((own) => own.outcome === outcome).length;
  const most = comparisons.length / 2;
  // For a claim of "as good", worse within the tolerance is as good.
  const held = comparisons.filter(({ outcome, gain }) => outcome === 'better' || gain >= -tolerance).length;
  if (claim === 'as good') {
    if (held === comparisons.length) return 'seen';
    return comparisons.filter(({ outcome, gain }) => outcome === 'worse' && gain < -tolerance).length > most
      ? 'refuted'
      : 'not seen at this size';
  }
  if (count('better') > most && count('worse') === 0) return 'seen';
  return count('worse') > most && count('better') === 0 ? 'refuted' : 'not seen at this size';
}
