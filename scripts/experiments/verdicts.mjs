// Words of verdicts, each by a rule that the page states.

/**
 * A verdict of what must be seen in each case, and is refuted by its contrary in each.
 *
 * @template T
 * @param {readonly T[]} cases @param {(one: T) => boolean} isSeen @param {(one: T) => boolean} [isContrary]
 */
export function inEach(cases, isSeen, isContrary = () => false) {
  const count = cases.filter(isSeen).length;
  if (count > 0) return count === cases.length ? 'seen' : `in ${count} of ${cases.length} cases only`;
  return cases.length > 0 && cases.every(isContrary) ? 'refuted' : 'not seen at this size';
}

/** The same of what is known already. @param {readonly boolean[]} cases */
export const seen = (cases) => inEach(cases, Boolean);

/** Figures of one way against those of another, over seeds: their ranges do not overlap, or nothing is said. @param {readonly number[]} own @param {readonly number[]} others */
export function byRanges(own, others) {
  if (Math.min(...own) > Math.max(...others)) return 'better in every seed';
  if (Math.max(...own) < Math.min(...others)) return 'worse in every seed';
  return 'no difference beyond the spread of seeds';
}
