import { refusal, shown } from '../../core/errors.ts';
import { defineLoss, isLoss, tensorOf, type Value } from '../tape/define.ts';

/**
 * Σ factor · loss.
 *
 * @example
 * const total = nn.weighted([[1, nn.crossEntropy(logits, labels)], [0.01, penalty]]);
 *
 * @throws ERR_ARGUMENT for what is no loss
 */
export const weighted: (terms: readonly (readonly [number, Value])[]) => Value = defineLoss(
  'weighted',
  (f, terms: readonly (readonly [number, Value])[]) => {
    for (const [i, [, loss]] of terms.entries())
      if (!isLoss(loss)) throw refusal('nn.weighted', `terms[${i}]`, 'be a loss', shown(loss));
    const out = f.buffer([1], 'f64');
    const losses = terms.map(([, loss]) => loss);
    const factors = terms.map(([factor]) => factor);
    f.combine(out, losses.map(tensorOf), factors);
    return {
      out,
      over: 'sum',
      inputs: losses,
      backward: (scale, to) => {
        for (const [factor, loss] of terms) to.scale(loss, scale * factor);
      },
    };
  },
);
