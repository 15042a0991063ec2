/**
 * Guidance of diffusion models: predictions pushed away from the unconditional ones, without the part that saturates.
 *
 * @packageDocumentation
 */

export {
  AdaptiveProjectedGuidance,
  type AdaptiveProjectedGuidanceOptions,
  type GuidanceApplyOptions,
} from './adaptive-projected-guidance.ts';
export { type PredictionKind, type PredictionToOptions, predictionTo } from './prediction-to.ts';
