// The least time that a launch can take on an H100 (SXM5, 132 multiprocessors), by what it asks of each of its parts.
// Rates: NVIDIA H100 Tensor Core GPU Architecture, dense; the clock is the one that its 67 TFLOP/s of f32 stand for.

const multiprocessors = 132;
const clock = 1.98e9;
const aClock = multiprocessors * clock;

/** Amounts a second, by the field of the counters. */
export const rates = {
  memory: ['least', 3.35e12],
  f32: ['f32', 67e12],
  f64: ['f64', 33.5e12],
  matrix: ['matrix', 989e12],
  special: ['special', 16 * aClock],
  issue: ['warpInstructions', 4 * aClock],
  shared: ['sharedPasses', aClock],
};
/** The parts that make up the roofline: what must be moved and computed, however it is done. */
const roof = ['memory', 'f32', 'f64', 'matrix'];

/** Seconds, the part that decides them, and how much of them the roofline asks for. */
export function predict(launch) {
  const times = Object.entries(rates).map(([part, [field, rate]]) => ({ part, seconds: launch[field] / rate }));
  const longest = (list) => list.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  const bound = longest(times);
  const floor = longest(times.filter(({ part }) => roof.includes(part)));
  return { seconds: bound.seconds, bound: bound.part, share: floor.seconds / bound.seconds };
}
