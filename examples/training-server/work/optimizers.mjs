import { AdamW, AuON, combine, Dion, HybridAuON, Lion, Muon, NorMuon, SGD } from 'orthokit';
import * as nn from 'orthokit/nn';

/** @import { AnyOptimizer, Tensor } from 'orthokit' */

/** Methods for matrices; what else a model has is AdamW's. */
const forMatrices = { muon: Muon, 'nor-muon': NorMuon, auon: AuON, 'hybrid-auon': HybridAuON, dion: Dion };
const forAll = { adamw: AdamW, sgd: SGD, lion: Lion };

/** Tables are looked up by row, and belong to no method for matrices. @param {string} path @param {Tensor} tensor */
const isMatrix = (path, tensor) => tensor.shape.length === 2 && !/^(tokens|positions)\b/.test(path);

/**
 * The optimizer of a name, and what sets its rates: `lr` is of the method, `otherLr` of AdamW beside it.
 *
 * @param {object} model
 * @param {string} name
 * @returns {{ optimizer: AnyOptimizer, set: (rates: { lr: number, otherLr: number, weightDecay: number }) => void }}
 */
export function makeOptimizer(model, name) {
  const parameters = nn.select(model, '**');
  if (Object.hasOwn(forAll, name)) {
    const optimizer = new forAll[/** @type {keyof typeof forAll} */ (name)](parameters);
    return { optimizer, set: ({ lr, weightDecay }) => assign(optimizer, () => ({ lr, weightDecay })) };
  }
  const method = forMatrices[/** @type {keyof typeof forMatrices} */ (name)];
  const optimizer = combine(
    [
      { optimizer: /** @type {typeof Muon} */ (method), params: isMatrix },
      { optimizer: AdamW, params: '**', weightDecay: 0 },
    ],
    { parameters, overlap: 'first' },
  );
  return {
    optimizer,
    set: ({ lr, otherLr, weightDecay }) =>
      assign(optimizer, (index) => (index === 0 ? { lr, weightDecay } : { lr: otherLr })),
  };
}

/** @param {AnyOptimizer} optimizer @param {(index: number) => { lr: number, weightDecay?: number }} values */
function assign(optimizer, values) {
  for (const [index, group] of optimizer.groups.entries()) Object.assign(group, values(index));
}
