import { word } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';
import { passed } from './passed.ts';

/** The factor of lr for an m × n weight; see {@link MuonOptions.shapeScale}. */
export type ShapeScale = 'original' | 'match_rms_adamw' | 'spectral' | 'max' | 'none';

interface Scaled {
  readonly shapeScale: ShapeScale;
}

/** The rate depends on the shape of a matrix. */
export const shapeScale: Part<Scaled, never, Scaled> = passed({
  shapeScale: word<ShapeScale>(['original', 'match_rms_adamw', 'spectral', 'max', 'none'], 'original'),
});

/** The same, as Dion has it by default. */
export const spectralScale: Part<Scaled, never, Scaled> = {
  ...shapeScale,
  defaults: () => ({ shapeScale: 'spectral' }),
};
