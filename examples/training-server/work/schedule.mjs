/**
 * The factor of the rates at each step, from 0 on: up to 1 during the warmup, then as the schedule says.
 *
 * @param {Record<string, any>} params
 * @returns {(step: number) => number}
 */
export function scheduleOf({ schedule, warmup, steps }) {
  return (step) => {
    if (step < warmup) return (step + 1) / warmup;
    const share = (step - warmup) / Math.max(1, steps - warmup);
    if (schedule === 'linear') return 1 - share;
    return schedule === 'cosine' ? (1 + Math.cos(Math.PI * share)) / 2 : 1;
  };
}
