// Figures of runs. A lower one is a better one.

/** Loss on samples that are not trained; infinite where training ended in numbers that are not finite. @param {any} run */
export const finalLoss = (run) => run.loss ?? Infinity;

export const mean = (/** @type {readonly number[]} */ values) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** Largest minus smallest. @param {readonly number[]} values */
export const spread = (values) => Math.max(...values) - Math.min(...values);

/** @param {readonly any[]} runs @returns {Map<number, any[]>} by rate, from small ones to large ones */
export function byRate(runs) {
  const rates = [...new Set(runs.map(({ settings }) => settings.rate))].sort((a, b) => a - b);
  return new Map(rates.map((rate) => [rate, runs.filter(({ settings }) => settings.rate === rate)]));
}

/** The rate with the smallest mean loss at the end; of equal ones the smallest. @param {readonly any[]} runs */
export function best(runs) {
  const means = [...byRate(runs)].map(([rate, own]) => ({ rate, runs: own, loss: mean(own.map(finalLoss)) }));
  return means.reduce((a, b) => (b.loss < a.loss ? b : a));
}

/**
 * How a method depends on its rate, from the runs that tuned it.
 *
 * @param {readonly any[]} tuning
 * @returns {{ best: number, near: number, rates: number, median: number }} the rate that is best by them; so many of the rates are
 *   within 10 % of the best loss; the median over rates over the best
 */
export function sensitivity(tuning) {
  const means = [...byRate(tuning)].map(([rate, runs]) => ({ rate, loss: mean(runs.map(finalLoss)) }));
  const losses = means.map(({ loss }) => loss);
  const smallest = Math.min(...losses);
  return {
    best: means[losses.indexOf(smallest)].rate,
    near: losses.filter((loss) => loss <= 1.1 * smallest).length,
    rates: losses.length,
    median: median(losses) / smallest,
  };
}

/** A rate is the smallest or the largest of the grid of tuning runs. @param {readonly any[]} tuning @param {number} rate */
export function isAtEnd(tuning, rate) {
  const rates = [...byRate(tuning).keys()];
  return rate === rates[0] || rate === rates.at(-1);
}

/** The loss that runs have on the way, on average, when half of the samples are taken. @param {readonly any[]} runs */
export const halfway = (runs) =>
  mean(runs.map(({ curve }) => curve[Math.ceil(curve.length / 2) - 1]?.loss ?? Infinity));

/** @param {any} run @param {number} target @returns {any} the first point of its curve at or below the target, if there is one */
export const reached = (run, target) => run.curve.find((/** @type {{ loss: number }} */ { loss }) => loss <= target);

/** The mean sharpness along the steps of a run that were measured; NaN if there are none. @param {any} run */
export function meanSharpness({ sharpness }) {
  const numbers = sharpness.map((/** @type {any} */ own) => own.sharpness).filter(Number.isFinite);
  return mean(numbers);
}
