#!/usr/bin/env node
// Letters a second that the GPT of examples/gpt writes: one stream and 64, drawn on the device; and the processor's time for
// a step. One thread computes, and JavaScript queues beside it.
// usage: node scripts/peers/generation.mjs [--rounds n] [--length n] [--topK n] [streams …]
import { parseArgs } from 'node:util';
import { Device } from 'orthokit';
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
  },
});
const [rounds, length, topK] = [given.rounds, given.length, given.topK].map(Number);
const all = positionals.length > 0 ? positionals.map(Number) : [1, 64];

const device = Device.open('cpu', { threads: 1 });
const letters = Array.from({ length: 85 }, (_, i) => String.fromCharCode(33 + i));
const model = new Gpt(nn.init(device, { seed: 1 }), {
  letters: letters.length,
  width: 128,
  heads: 4,
  blocks: 4,
  context: 64,
});
const write = writer(model, letters);
for (const texts of all) {
  const options = { start: '!', length, texts, temperature: 0.8, topK };
  const [rates, processor] = [[], []];
  for (let round = -3; round < rounds; round += 1) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    await write({ ...options, seed: round + 4 });
    const { user, system } = process.cpuUsage(before);
    if (round < 0) continue;
    rates.push((1e3 * length * texts) / (performance.now() - start));
    processor.push((user + system) / 1e3 / length);
  }
  console.log(
    JSON.stringify({
      streams: texts,
      length,
      tokens_per_s: Math.round(median(rates)),
      best: Math.round(Math.max(...rates)),
      processor_ms_per_step: Number(median(processor).toFixed(3)),
      rounds,
    }),
  );
}
await device.close();
