// One federated training of an adapter by clients whose digits differ, with clipped and noisy gradients or without.
import { Tensor } from 'orthokit';
import { dpClipAndNoise, FedSvdServer, LoraLinear } from 'orthokit/adapters';
import * as nn from 'orthokit/nn';
import { batchOf, combine, device, digits, loss, sizes, tested, trained } from './digits.mjs';

const clientCount = 6;
/** Clients of a round. */
const atOnce = 3;
const localSteps = 5;
const rank = 8;
const clip = 2;
/** Never factored: a stays as it was drawn (FFA-LoRA). */
const never = 1_000_000;

/** Ways by name: rounds from one factorization to the next. */
export const ways = { FedSVD: 1, 'a fixed': never };
/** Deviation of the noise over the clip. */
export const noises = [0, 1];
/** Rates of SGD that each way tries. */
export const rates = [0.5, 2, 5, 15, 45, 135];

/** Digits of clients: each has its own shares of the ten classes, from a Dirichlet distribution of 0.5. @param {any} part @param {number} seed */
function sharesOf(part, seed) {
  const random = generator(seed);
  /** @type {number[][]} */
  const clients = Array.from({ length: clientCount }, () => []);
  for (let digit = 0; digit < 10; ++digit) {
    // Gamma of shape 0.5: half of a squared normal number.
    const weights = clients.map(() => (-2 * Math.log(1 - random()) * Math.cos(2 * Math.PI * random()) ** 2) / 2);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [i, label] of part.labels.entries()) {
      if (label !== digit) continue;
      let at = random() * total;
      let client = 0;
      while (client < clientCount - 1 && at >= weights[client]) at -= weights[client++];
      clients[client].push(i);
    }
  }
  return clients;
}

/** Numbers in [0, 1) that depend on the seed alone. @param {number} seed */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {{ size: 'full' | 'quick', way: keyof typeof ways, noise: number, rate: number, seed: number }} settings */
export async function federate({ size: name, way, noise, rate, seed }) {
  const size = sizes[name];
  const model = trained(size, seed);
  const { train } = digits(size.every);
  const clients = sharesOf(train, seed).filter((own) => own.length > 0);
  const random = generator(1000 + seed);
  const layers = model.layers.map(({ weight, bias }, i) =>
    LoraLinear.fromWeight(weight, { rank, bias, seed: 10 * seed + i }),
  );
  const server = new FedSvdServer(layers, { period: ways[way] });
  // Clients train b alone: a is a buffer.
  const step = nn.valueAndGrad(
    (/** @type {any} */ m, /** @type {any} */ frozen, /** @type {any} */ x, /** @type {any} */ labels) =>
      loss(
        {
          layers: frozen.map((/** @type {any} */ layer, /** @type {number} */ i) => ({
            ...layer,
            lora: { ...layer.lora, b: m.b[i] },
          })),
        },
        x,
        labels,
      ),
    { perSample: true },
  );
  const frozen = layers.map(({ weight, bias, scale }, i) => ({ weight, bias, lora: { a: server.layers[i].a, scale } }));
  let seeds = 1e6 * seed;
  for (let round = 0; round < size.rounds; ++round) {
    const chosen = [...clients.keys()].sort(() => random() - 0.5).slice(0, atOnce);
    const updates = [];
    for (const client of chosen) {
      const b = server.layers.map((layer) => layer.b.copy());
      for (let local = 0; local < localSteps; ++local) {
        const own = clients[client];
        const index = Int32Array.from({ length: size.batch }, () => own[Math.floor(random() * own.length)]);
        const [x, labels] = batchOf(train, index);
        const { grads } = step({ b }, frozen, x, labels);
        // One row a sample, of all layers: a gradient is clipped as a whole.
        const rows = b.map((each) => /** @type {Tensor} */ (grads.get(each)));
        const noisy = await meanOf(rows, noise, ++seeds);
        for (const [i, each] of b.entries())
          combine(each, [
            [1, each],
            [-rate, noisy[i]],
          ]);
        for (const tensor of [x, labels, ...noisy]) tensor.dispose();
      }
      for (const [i, each] of b.entries())
        combine(each, [
          [1, each],
          [-1, server.layers[i].b],
        ]);
      updates.push({ updates: b, weight: clients[client].length });
    }
    await server.aggregate(updates);
    for (const { updates: own } of updates) for (const tensor of own) tensor.dispose();
  }
  const after = await tested(
    { layers: frozen.map((layer, i) => ({ ...layer, lora: { ...layer.lora, b: server.layers[i].b } })) },
    size,
  );
  server.dispose();
  step.dispose();
  return { after };
}

/** The mean of the gradients of samples of several tensors, each sample clipped as a whole. @param {readonly Tensor[]} rows @param {number} noise @param {number} seed */
async function meanOf(rows, noise, seed) {
  const [samples] = rows[0].shape;
  const widths = rows.map((row) => row.size / samples);
  const width = widths.reduce((sum, own) => sum + own, 0);
  const all = new Float32Array(samples * width);
  let from = 0;
  for (const [i, row] of rows.entries()) {
    const data = await row.read();
    for (let s = 0; s < samples; ++s)
      all.set(/** @type {Float32Array} */ (data.subarray(s * widths[i], (s + 1) * widths[i])), s * width + from);
    from += widths[i];
  }
  const joined = Tensor.from(device, all, [samples, width]);
  const mean = dpClipAndNoise(joined, { clip, noiseMultiplier: noise, seed });
  joined.dispose();
  from = 0;
  const parts = [];
  for (const [i, row] of rows.entries()) {
    const part = mean.rows(from, from + widths[i]);
    parts.push(part.reshape(row.shape.slice(1)));
    part.dispose();
    from += widths[i];
  }
  mean.dispose();
  return parts;
}
