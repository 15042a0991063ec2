import { OrthokitError, shown } from '../../core/errors.ts';
import { count, portion, readOptions, required, type Schema, word } from '../../core/schema.ts';

/** The way in which the least share of a crop falls from 1. */
export type CurriculumMode = 'cosine' | 'linear' | 'step';

/** Options of {@link curriculumScale}. */
export interface CurriculumScaleOptions {
  /** Iterations of the whole course, from 1 on. It has no default. */
  iterations: number;
  /** `'cosine'` and `'linear'` fall from 1 to 0.08; `'step'` stays 1 until the milestone. Default: `'cosine'`. */
  mode?: CurriculumMode | undefined;
  /** The share of the iterations after which the scale is 0.08, from 0, which is no curriculum, to 1. Default: 1. */
  milestone?: number | undefined;
}

export const curriculumSchema: Schema<{ iterations: number; mode: CurriculumMode; milestone: number }> = {
  iterations: required(count(1)),
  mode: word<CurriculumMode>(['cosine', 'linear', 'step'], 'cosine'),
  milestone: portion(1),
};

/** The least share of an image that a crop takes at the end, and without a curriculum. */
const least = 0.08;

/** The same for options that have been read. */
export function scaleAt(
  iteration: number,
  { iterations, mode, milestone }: { iterations: number; mode: CurriculumMode; milestone: number },
): number {
  const end = milestone * iterations;
  if (!(iteration < end)) return least;
  const place = iteration / end;
  if (mode === 'step') return 1;
  const left = mode === 'linear' ? 1 - place : (1 + Math.cos(Math.PI * place)) / 2;
  return least + (1 - least) * left;
}

/**
 * The least share of an image's area that a crop takes at an iteration of a curriculum from global to local: 1 at
 * first, 0.08 from the milestone on.
 *
 * Source: Yin and Shen, "Dataset Distillation via Curriculum Data Synthesis in Large Data Era" (TMLR 2024). The default
 * of the authors' program is a milestone of 0, no curriculum at all.
 *
 * @example
 * curriculumScale(1000, { iterations: 4000 }); // 0.865…
 *
 * @param iteration Whole, from 0 on.
 * @throws ERR_ARGUMENT
 */
export function curriculumScale(iteration: number, options: CurriculumScaleOptions): number {
  const where = 'curriculumScale';
  if (!(Number.isSafeInteger(iteration) && iteration >= 0))
    throw new OrthokitError('ERR_ARGUMENT', `${where}: iteration must be a whole number from 0 on, got ${shown(iteration)}`); // biome-ignore format: one line
  return scaleAt(iteration, readOptions(where, options, curriculumSchema));
}
