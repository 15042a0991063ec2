#!/usr/bin/env node
// Measures from which shape on Newton–Schulz is faster on the Gram matrix, and writes the table of that choice,
// native/ops/products/shared/gram_choices.inc.
// usage: node scripts/measure-gram.mjs [--print]
// Processor time of one thread, five steps with a restart, both forms in turns; --print writes to the terminal only.
// Takes some minutes.
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { coefficientSets, Device, ops, Tensor } from '../dist/index.js';
import { secondsOnProcessor } from './peers/processor-time.mjs';

const { values: options } = parseArgs({ options: { print: { type: 'boolean' } } });
const sides = [16, 64, 256, 768];
const aspects = [1.25, 1.5, 2, 3, 4, 8];
const runs = 5;
const leastSeconds = 0.02; // of one run: small matrices go through in batches
const least = 0.97; // of the time of plain steps: less gain is noise
const device = Device.open('cpu', { threads: 1 });
const coefficients = coefficientSets['polar-express'].steps.slice(0, 5).flat();

/** Time on the Gram matrix over that of plain steps, for side × aspect·side. */
async function ratio(dtype, side, aspect) {
  const columns = Math.round(aspect * side);
  const flops = 5 * (3 * aspect + 1) * side ** 3;
  const batch = Math.max(1, Math.round((leastSeconds * 2e10) / flops));
  const x = Tensor.randn(device, [batch, side, columns], { seed: 1, dtype });
  const out = new Tensor(device, x.shape, dtype);
  const best = { 'newton-schulz': Infinity, gram: Infinity };
  for (let i = 0; i < runs; i++)
    for (const method of Object.keys(best)) {
      const restarts = method === 'gram' ? [2] : [];
      const seconds = await secondsOnProcessor(() => {
        ops.newtonSchulz(device, { x, out, coefficients, method, restarts, dtype });
        return device.synchronize();
      });
      best[method] = Math.min(best[method], seconds);
    }
  x.dispose();
  out.dispose();
  return best.gram / best['newton-schulz'];
}

const lines = [];
for (const dtype of ['f32', 'f64', 'f16', 'bf16'])
  for (const [i, side] of sides.entries()) {
    const ratios = [];
    for (const aspect of aspects) ratios.push(await ratio(dtype, side, aspect));
    // From the aspect on where it is faster, there and in all that are longer.
    const at = ratios.findLastIndex((value) => value > least) + 1;
    const aspect = at < aspects.length ? String(aspects[at]) : 'INFINITY';
    const measured = ratios.map((value) => value.toFixed(2)).join(' ');
    const name = dtype[0].toUpperCase() + dtype.slice(1);
    lines.push(`{Dtype::k${name}, ${i === 0 ? 1 : side}, ${aspect}},  // ${measured}`);
  }
const { isa } = device.info;
await device.close();
const text = `// Written by scripts/measure-gram.mjs on ${os.cpus()[0].model}, ${isa}, one thread. Behind each line the
// time on the Gram matrix over that of plain steps, for sides of ${sides.join(', ')}, at aspects ${aspects.join(', ')}.
${lines.join('\n')}
`;
if (options.print) console.log(text);
else writeFileSync(path.join(import.meta.dirname, '../native/ops/products/shared/gram_choices.inc'), text);
