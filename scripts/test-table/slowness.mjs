// Budgets are seconds of the machine on which they were written: another one may be slower.

/** Milliseconds of processor time that the loop below took there. */
const recorded = 42;

function spin() {
  const start = process.cpuUsage();
  let state = 1;
  let sum = 0;
  for (let i = 0; i < 2e7; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    sum += Math.sqrt(state >>> 1);
  }
  const { user, system } = process.cpuUsage(start);
  return sum > 0 ? (user + system) / 1000 : Number.NaN;
}

/** Factor by which this machine takes longer, 1 where it is no slower. */
export function slowness() {
  spin(); // until it is compiled
  return Math.max(1, Math.min(...Array.from({ length: 5 }, spin)) / recorded);
}
