#!/usr/bin/env node
// Letters a second that the GPT of examples/gpt writes: one stream and 64, drawn on the device; and the processor's time for
// a step, beside that of reading what was written, or a whole context, anew for each letter. One thread computes, and JavaScript
// queues beside it.
// usage: node scripts/peers/generation.mjs [--rounds n] [--length n] [--context n] [--topK n] [streams …]
import { parseArgs } from 'node:util';
import { Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../examples/gpt/model.mjs';
import { writer } from '../../examples/gpt/write.mjs';
import { median } from './turns.mjs';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '9' },
    length: { type: 'string', default: '64' },
    topK: { type: 'string', default: '0' },
    context: { type: 'string', default: '64' },
  },
});
const [rounds, length, topK, context] = [given.rounds, given.length, given.topK, given.context].map(Number);
const all = positionals.length > 0 ? positionals.map(Number) : [1, 64];

const device = Device.open('cpu', { threads: 1 });
const letters = Array.from({ length: 85 }, (_, i) => String.fromCharCode(33 + i));
const model = new Gpt(nn.init(device, { seed: 1 }), {
  letters: letters.length,
  width: 128,
  heads: 4,
  blocks: 4,
  context,
});
const write = writer(model, letters);
const anew = nn.forward((gpt, ids, options) => {
  const logits = gpt.forward(ids);
  return nn.reshape(nn.sample(nn.slice(logits, 1, ids.shape[1] - 1, ids.shape[1]), options), [1, ids.shape[0]]);
});

/** Milliseconds of processors for a letter that is drawn after `places(i)` others, which are all read again. */
async function recomputed(texts, places) {
  const ids = Array.from({ length }, (_, i) => {
    const count = Math.min(context, places(i));
    return Tensor.from(device, Int32Array.from({ length: texts * count }, (_, at) => (at * 31) % letters.length), [texts, count]); // biome-ignore format: one line
  });
  const before = process.cpuUsage();
  let last;
  for (const [position, seen] of ids.entries()) last = anew(model, seen, { temperature: 0.8, topK, seed: 1, position });
  await last.read();
  const { user, system } = process.cpuUsage(before);
  for (const tensor of ids) tensor.dispose();
  return (user + system) / 1e3 / length;
}

for (const texts of all) {
  const options = { start: '!', length, texts, temperature: 0.8, topK };
  const [rates, processor, growing, whole] = [[], [], [], []];
  for (let round = -3; round < rounds; round += 1) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    await write({ ...options, seed: round + 4 });
    const { user, system } = process.cpuUsage(before);
    const spent = performance.now() - start;
    const others = [await recomputed(texts, (i) => i + 1), await recomputed(texts, () => context)];
    if (round < 0) continue;
    growing.push(others[0]);
    whole.push(others[1]);
    rates.push((1e3 * length * texts) / spent);
    processor.push((user + system) / 1e3 / length);
  }
  console.log(
    JSON.stringify({
      streams: texts,
      length,
      context,
      tokens_per_s: Math.round(median(rates)),
      best: Math.round(Math.max(...rates)),
      processor_ms_per_step: Number(median(processor).toFixed(3)),
      least: Number(Math.min(...processor).toFixed(3)),
      least_reading_all_anew: Number(Math.min(...growing).toFixed(3)),
      least_reading_a_context_anew: Number(Math.min(...whole).toFixed(3)),
      rounds,
    }),
  );
}
await device.close();
