#!/usr/bin/env node
// Races whole training steps against PyTorch, turn by turn from the same weights on the same batches: a GPT of letters
// (4 blocks of 128, 4 heads, 64 letters, batches of 12) with products in f32 and in bf16 against f32, one of 10.7 million
// parameters (`large`: 6 blocks of 384, 6 heads, 256 letters, batches of 12), and the network of convolutions of
// examples/digits (batches of 128) against channels last; AdamW, on both sides its fastest form. The losses
// of all steps are compared. On several threads PyTorch multiplies its attention explicitly: the fused one was seen to be
// wrong there. Prints the least and the median of turns: CPU time on one thread, else of the clock.
// usage: node scripts/peers/networks.mjs [--threads n] [--seconds n] [gpt|gpt-bf16|large|cnn …]
// ORTHOKIT_PYTHON names the interpreter (default /usr/bin/python3).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AdamW, Device, saveTensors, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Cnn } from '../../examples/digits/cnn.mjs';
import { classes, loadDigits, pixels } from '../../examples/digits/data.mjs';
import { Gpt } from '../../examples/gpt/model.mjs';
import { loadText, windows } from '../../examples/gpt/text.mjs';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '1' }, seconds: { type: 'string', default: '20' } },
});
const threads = Number(options.threads);
const seconds = Number(options.seconds);
const batches = 16;
const lr = 3e-4;

/** A GPT of letters, with inputs and labels of each batch. */
function gpt(make, sizes, steps) {
  const batch = 12;
  const { context } = sizes;
  const { letters, train } = loadText();
  const starts = (i) => Array.from({ length: batch }, (_, j) => (i * batch + j) * 5003);
  const data = Array.from({ length: batches }, (_, i) => {
    const { ids, next } = windows(train, starts(i), context);
    return [ids, next];
  });
  const shape = [batch, context];
  return { model: new Gpt(make, { letters: letters.length, ...sizes }), data, shapes: [shape, shape], steps };
}

/** A model, and inputs and labels of each batch. */
const networks = {
  gpt: (make) => gpt(make, { width: 128, heads: 4, blocks: 4, context: 64 }, 4),
  large: (make) => gpt(make, { width: 384, heads: 6, blocks: 6, context: 256 }, 1),
  cnn(make) {
    const batch = 128;
    const { train } = loadDigits();
    const data = Array.from({ length: batches }, (_, i) => {
      const rows = Array.from({ length: batch }, (_, j) => (5003 * (i * batch + j)) % train.labels.length);
      const images = Float32Array.from(
        rows.flatMap((row) => [...train.images.subarray(row * pixels, (row + 1) * pixels)]),
      );
      return [images, Int32Array.from(rows, (row) => train.labels[row])];
    });
    return { model: new Cnn(make, { classes }), data, shapes: [[batch, 28, 28, 1], [batch]], steps: 2 };
  },
};

const spent = clockOf(threads);

async function race(name, folder) {
  const [kind, products] = name.split('-');
  const device = Device.open('cpu', { threads });
  const { model, data, shapes, steps } = networks[kind](nn.init(device, { seed: 1 }));
  await saveTensors(path.join(folder, 'model.safetensors'), nn.named(model));
  for (const [i, batch] of data.entries())
    for (const [j, numbers] of batch.entries()) writeFileSync(path.join(folder, `${i}-${j}`), numbers);

  const words = [
    kind === 'cnn' ? 'cnn' : 'gpt',
    threads,
    folder,
    JSON.stringify({ shapes, batches, lr, heads: model.blocks?.[0].heads }),
  ];
  const peer = startPeer('networks_peer.py', words, threads);
  const { exact } = await peer.answer();
  const theirs = () => peer.ask(steps);

  const optimizer = new AdamW(nn.parameters(model), { lr, weightDecay: 0.01 });
  const step = nn.valueAndGrad((m, x, y) => nn.crossEntropy(m.forward(x), y), { products });
  const tensors = data.map((batch) => batch.map((numbers, j) => Tensor.from(device, numbers, shapes[j])));
  let place = 0;
  const ours = async () => {
    const losses = [];
    const start = spent();
    for (let i = 0; i < steps; i++, place++) {
      const { value, grads } = step(model, ...tensors[place % batches]);
      losses.push(value.read());
      optimizer.step(grads);
    }
    const read = await Promise.all(losses);
    return { milliseconds: (spent() - start) / steps, losses: read.map(([loss]) => loss) };
  };

  const turns = [];
  for (const end = Date.now() + 1e3 * seconds; Date.now() < end || turns.length < 7; )
    turns.push([await ours(), await theirs()]);
  await peer.end();
  await device.close();

  const [a, b] = [0, 1].map((side) => turns.flatMap((turn) => turn[side].losses));
  const from64 = [a, b].map(([first]) => Math.abs(first - exact));
  const apart = a.map((loss, i) => Math.abs(loss - b[i]));
  // The first turns warm up.
  const times = [0, 1].map((side) => turns.slice(2).map((turn) => turn[side].milliseconds));
  const [[low, middle], [peerLow, peerMiddle]] = times.map((side) => [least(side), median(side)]);
  console.log(
    `${name}, ${threads === 1 ? 'one thread' : `${threads} threads`}: ${low.toFixed(2)} (${middle.toFixed(2)}) ms, PyTorch ` +
      `${peerLow.toFixed(2)} (${peerMiddle.toFixed(2)}), ratio ${(low / peerLow).toFixed(3)} ` +
      `(${(middle / peerMiddle).toFixed(3)}), ${turns.length} turns of ${steps} steps; losses ${a[0].toFixed(4)} to ` +
      `${a.at(-1).toFixed(4)}, apart by at most ${Math.max(...apart).toExponential(1)} in ${apart.length} steps, the first from f64 by ` +
      `${from64.map((distance) => distance.toExponential(1)).join(' and ')}`,
  );
  // The first loss is held to PyTorch's in f64, from which its own in f32 may be further away than ours.
  if (!(from64[0] < (products ? 1e-3 : 1e-5) && Math.max(...apart) < 1e-2)) throw new Error(`${name}: losses differ`);
}

for (const name of positionals.length > 0 ? positionals : ['gpt', 'gpt-bf16', 'cnn']) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-networks-'));
  try {
    await race(name, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
