// Layers of adapters, their files, and what trains them.
import path from 'node:path';
import { data } from './bits.mjs';
import { checkCalls } from './calls.mjs';

export async function checkAdapters({ checker, device, folder, library }) {
  const adapters = await import(path.join(folder, 'lib', 'adapters', 'index.js'));
  const { FedSvdServer, LoLDULinear, LoraLinear, SpLoraLinear } = adapters;
  const tensor = (shape, seed) => library.Tensor.from(device, data(shape, seed), shape);
  const [weight, x, a, b] = [tensor([5, 5], 31), tensor([6, 5], 32), tensor([2, 5], 33), tensor([5, 2], 34)];
  // Queries and keys are short, as the chain wants them.
  const short = library.Tensor.from(
    device,
    data([5, 5], 36).map((value) => value / 10),
    [5, 5],
  );
  const head = { x, wq: short, wk: short, wv: weight, y: x, a, b, scale: 0.1 };
  const [place, stored] = [path.join(folder, 'adapter'), LoraLinear.fromWeight(weight, { rank: 2, seed: 1 })];
  stored.b.write(Float32Array.from(data([5, 2], 35)));
  await adapters.saveAdapter(place, { fc: stored });
  stored.dispose();
  const pruned = () => {
    const layer = SpLoraLinear.fromWeight(weight, { rank: 2, seed: 1 });
    try {
      layer.prune({ keepOut: [0, 2], keepIn: [1, 2, 4] });
      return layer;
    } catch (error) {
      layer.dispose();
      throw error;
    }
  };
  const calls = {
    'LoraLinear.fromWeight': () => LoraLinear.fromWeight(weight, { rank: 2, seed: 1 }),
    'SpLoraLinear.prune': pruned,
    'LoLDULinear.fromWeight': () => LoLDULinear.fromWeight(weight, { rank: 2 }),
    loadAdapter: () => adapters.loadAdapter(place, { fc: { weight } }),
    refactorLora: () => adapters.refactorLora(a, b),
    dpClipAndNoise: () => adapters.dpClipAndNoise(x, { clip: 1, noiseMultiplier: 1, seed: 1 }),
    'loraAttentionGrad, chain': () => adapters.loraAttentionGrad(head, { mode: 'chain', tol: 0.9 }),
    'loraAttentionGrad, exact': () => adapters.loraAttentionGrad(head, { mode: 'exact' }),
    'FedSvdServer.aggregate': async () => {
      const server = new FedSvdServer([{ a, b }]);
      try {
        await server.aggregate([{ updates: [b], weight: 1 }]);
      } catch (error) {
        server.dispose();
        throw error;
      }
      return { layers: server.layers, dispose: () => server.dispose() };
    },
  };
  const inputs = [weight, short, x, a, b];
  await checkCalls({ checker, library }, calls, inputs);
  for (const one of inputs) one.dispose();
}
