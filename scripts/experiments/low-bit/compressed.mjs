// Size against loss: matrices of 4, 3 and 2 bits by each way.
import { Device } from 'orthokit';
import { CodebookLinear, QuantLinear } from 'orthokit/quantized';
import { examine } from '../merging/train.mjs';
import { bytesOf, exchange, inputsOf, layersOf, modelOf, sizes, textsOf } from './model.mjs';

/** @typedef {{ way: string, bits: 2 | 3 | 4, loss: number, bytes: number, share: number }} Row */

const groups = 4;
/** Ways by name: how a matrix is made smaller. */
export const ways = {
  'to nearest, groups of 64': { group: 64 },
  'to nearest, groups of 32': { group: 32 },
  'k-means': { groups: 1 },
  'k-means, 4 codebooks': { groups },
  'JLCM, codes stay': { groups, mapping: 'frozen' },
  'JLCM, proximal': { groups, mapping: 'proximal' },
  'JLCM, default gradient': { groups, mapping: 'default' },
};

/** @param {{ size: 'full' | 'quick', seed: number }} settings */
export async function compressed({ size: name, seed }) {
  const size = sizes[name];
  const device = Device.open('cpu', { threads: 1 });
  const { known } = textsOf();
  const original = await modelOf(device, name, seed);
  const inputs = await inputsOf(original, known.train, name);
  const weights = [...layersOf(original).values()].reduce((sum, { weight }) => sum + weight.size, 0);
  const base = { ...(await examine(original, known.test, size)), bytes: bytesOf(original), weights };
  /** @type {Row[]} */
  const rows = [];
  for (const bits of /** @type {const} */ (name === 'full' ? [4, 3, 2] : [3]))
    for (const [way, own] of Object.entries(ways)) {
      const model = await modelOf(device, name, seed);
      let bytes = 0;
      const layers = layersOf(model);
      const made = new Map();
      for (const [path, { weight, bias }] of layers) {
        if ('group' in own) {
          const layer = QuantLinear.quantize(weight, { bits, group: Math.min(own.group, weight.shape[1]), bias });
          made.set(path, layer);
        } else {
          const layer = await CodebookLinear.compress(weight, { codes: 2 ** bits, groups: own.groups, bias });
          if ('mapping' in own) {
            const steps = name === 'full' ? 300 : 10;
            await layer.refine(inputs.get(path), { mapping: /** @type {any} */ (own.mapping), steps });
          }
          made.set(path, layer);
        }
        bytes += made.get(path).byteLength - (bias?.byteLength ?? 0);
      }
      exchange(model, (_, path) => made.get(path));
      const { loss } = await examine(model, known.test, size);
      rows.push({ way, bits, loss, bytes, share: bytesOf(model) });
    }
  await device.close();
  return { base, rows };
}
