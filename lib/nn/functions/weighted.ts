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
    if (!Array.isArray(terms)) throw refusal('nn.weighted', 'terms', 'be a list', shown(terms));
    for (const [i, term] of terms.entries()) {
      if (!Array.isArray(term)) throw refusal('nn.weighted', `terms[${i}]`, 'be a factor and a loss', shown(term));
      const [, loss] = term;
      if (!isLoss(loss)) throw refusal('nn.weighted', `terms[${i}]`, 'be a loss', shown(loss));
    }
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
