import { matricesOf } from './step.ts';

/** The factor of lr by the shape of a weight. */
export function shapeScaleOf(shape: readonly number[], rule: string | undefined): number {
  const { rows, columns } = matricesOf(shape);
  return {
    original: Math.sqrt(Math.max(1, rows / columns)),
    match_rms_adamw: 0.2 * Math.sqrt(Math.max(rows, columns)),
    spectral: Math.sqrt(rows / columns),
    max: Math.sqrt(Math.max(rows, columns)),
    none: 1,
  }[rule ?? 'original']!;
}
