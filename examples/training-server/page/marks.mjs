/**
 * Events of a run as vertical lines: changes of rates, checkpoints, and where the number on the chart is NaN or infinite.
 *
 * @param {any} run
 * @param {import('./curve.mjs').Curve | undefined} curve
 * @param {number} color
 * @param {string} axis
 * @param {string} key of the numbers on the chart
 * @returns {{ x: number, text: string, color: number }[]}
 */
export function marksOf(run, curve, color, axis, key) {
  if (!run || !curve) return [];
  const steps = new Map();
  for (const { step } of [...(run.checkpoints ?? []), ...run.marks]) steps.set(step, '');
  for (const { step, values } of run.changes ?? [])
    if (step !== undefined)
      steps.set(
        step,
        Object.entries(values)
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      );
  for (const [step, value] of curve.gaps(key)) steps.set(step, `${value} at step ${step}`);
  return [...steps].map(([step, text]) => ({ x: axis === 'step' ? step : curve.secondsAt(step), text, color }));
}
