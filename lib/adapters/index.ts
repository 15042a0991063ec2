/**
 * Adapters: few numbers that are trained beside frozen weights. Layers that stand in the place of linear ones,
 * federated training of their factors, and a gradient of theirs through attention.
 *
 * @packageDocumentation
 */

export { type DpClipAndNoiseOptions, dpClipAndNoise } from './dp-clip-and-noise.ts';
export type { LoraFactors, RefactoredLora } from './factors/factors.ts';
export { type AggregatedRound, type ClientUpdate, FedSvdServer, type FedSvdServerOptions } from './fed-svd-server.ts';
export { LoLDULinear, type LoLDULinearOptions } from './layers/loldu-linear.ts';
export { LoraLinear, type LoraLinearOptions } from './layers/lora-linear.ts';
export { type KeptChannels, SpLoraLinear, type SpLoraLinearOptions } from './layers/sp-lora-linear.ts';
export {
  type LoraAttention,
  type LoraAttentionGradient,
  type LoraAttentionGradOptions,
  loraAttentionGrad,
} from './lora-attention-grad.ts';
export { type LoadAdapterOptions, loadAdapter } from './peft/load-adapter.ts';
export { type SaveAdapterOptions, saveAdapter } from './peft/save-adapter.ts';
export { refactorLora } from './refactor-lora.ts';
