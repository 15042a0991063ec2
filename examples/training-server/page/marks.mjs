/**
 * Events of a run as vertical lines: starts that went on, changes of rates, checkpoints, and where the number on the chart is
 * NaN or infinite.
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
  const mark = (step, text) => steps.set(step, new Set([...(steps.get(step) ?? []), text]));
  for (const { step } of [...(run.checkpoints ?? []), ...run.marks]) mark(step, '');
  for (const step of run.starts ?? []) if (step > 0) mark(step, 'started again');
  for (const { step, values } of run.changes ?? [])
    if (step !== undefined) for (const [name, value] of Object.entries(values)) mark(step, `${name} ${value}`);
  for (const [step, value] of curve.gaps(key)) mark(step, `${value} at step ${step}`);
  return [...steps].map(([step, texts]) => ({
    x: axis === 'step' ? step : curve.secondsAt(step),
    text: [...texts].filter(Boolean).join(', '),
    color,
  }));
}
