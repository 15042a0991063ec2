import { AdaptiveProjectedGuidance } from '../../../lib/guidance/index.ts';
import { Tensor } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

const like = ({ device }: Scene, seed: number): Tensor => Tensor.randn(device, [2, 3], { seed });

export const calls: Record<string, Call> = {
  AdaptiveProjectedGuidance: { options: () => ({ scale: 3 }) },
  'AdaptiveProjectedGuidance.apply': {
    of: () => new AdaptiveProjectedGuidance({ scale: 3, momentum: 0.5 }),
    args: (on) => [like(on, 1), like(on, 2)],
    options: () => ({}),
    takes: ['any rank'],
  },
  predictionTo: {
    args: (on) => ['x0', like(on, 1), like(on, 2)],
    options: () => ({ alpha: 0.8, sigma: 0.6, from: 'eps' }),
    takes: ['any rank'],
  },
};
