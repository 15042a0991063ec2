#!/usr/bin/env node
// Races whole training steps of GPT-2 against the trainer for processors of llm.c (MIT), turn by turn from the same weights
// on the same batches: on that of letters of the other races (4 blocks of 128, batches of 12) and on its own (`gpt2`: 124 million parameters,
// 50,257 tokens, batches of 4 times 64); AdamW. Its program is built here with the flags of its Makefile. The losses of all steps are
// compared. Prints the least and the median of turns: CPU time on one thread, else of the clock.
// usage: node scripts/peers/llm-c.mjs <folder of llm.c> [--threads n] [--seconds n] [letters|gpt2 …]
// CC names the compiler (default cc).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { AdamW, Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { clockOf, least } from './peer.mjs';
import { here, median } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '1' }, seconds: { type: 'string', default: '20' } },
});
const [sources, ...names] = positionals;
const threads = Number(options.threads);
const spent = clockOf(threads);
const [lr, weightDecay, batches] = [3e-4, 0.01, 8];
const networks = {
  letters: { width: 128, heads: 4, blocks: 4, context: 64, letters: 64, batch: 12, length: 64, steps: 4 },
  gpt2: { width: 768, heads: 12, blocks: 12, context: 1024, letters: 50_257, batch: 4, length: 64, steps: 1 },
};

if (sources === undefined || names.some((name) => !Object.hasOwn(networks, name)) || !(threads >= 1)) {
  console.error(
    `usage: node scripts/peers/llm-c.mjs <folder of llm.c> [--threads n] [--seconds n] [${Object.keys(networks).join('|')} …]`,
  );
  process.exit(2);
}

/** Parameters of a block in llm.c's order, each of all blocks in turn. */
const ofBlocks = [
  (block) => block.norm1.weight,
  (block) => block.norm1.bias,
  (block) => block.qkv.weight,
  (block) => block.qkv.bias,
  (block) => block.out.weight,
  (block) => block.out.bias,
  (block) => block.norm2.weight,
  (block) => block.norm2.bias,
  (block) => block.up.weight,
  (block) => block.up.bias,
  (block) => block.down.weight,
  (block) => block.down.bias,
];

function modelOf(make, { width, blocks, context, letters }) {
  const block = () => ({
    norm1: make.norm(width),
    qkv: make.linear(width, 3 * width),
    out: make.linear(width, width),
    norm2: make.norm(width),
    up: make.linear(width, 4 * width),
    down: make.linear(4 * width, width),
  });
  const parts = { tokens: make.table(letters, width), positions: make.table(context, width), norm: make.norm(width) };
  return { ...parts, blocks: Array.from({ length: blocks }, block) };
}

function lossOf(model, ids, next, { heads, length }) {
  const positions = nn.slice(model.positions.weight, 0, 0, length);
  let x = nn.addRows(nn.embedding(model.tokens, ids), positions);
  for (const { norm1, qkv, out, norm2, up, down } of model.blocks) {
    x = nn.attention({ qkv, out }, nn.layerNorm(norm1, x), { heads, addend: x });
    x = nn.linear(down, nn.gelu(nn.linear(up, nn.layerNorm(norm2, x)), { form: 'tanh' }), { addend: x });
  }
  return nn.crossEntropy(nn.linear(model.tokens, nn.layerNorm(model.norm, x)), next);
}

async function saveModel(file, model, { width, heads, blocks, context, letters }) {
  const place = openSync(file, 'w');
  const header = new Int32Array(256);
  header.set([20_240_326, 3, context, letters, blocks, heads, width, letters]);
  writeSync(place, header);
  const all = [
    model.tokens.weight,
    model.positions.weight,
    ...ofBlocks.flatMap((part) => model.blocks.map(part)),
    model.norm.weight,
    model.norm.bias,
  ];
  for (const tensor of all) writeSync(place, await tensor.read());
  closeSync(place);
}

/** llm.c's side, which prints lines of its own before the first answer. */
function start(words) {
  const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
  const child = spawn(words[0], words.slice(1).map(String), { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(steps) {
      child.stdin.write(`${steps}\n`);
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error('llm.c has ended');
        if (value.startsWith('{')) return JSON.parse(value);
      }
    },
    async end() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

async function race(name, program, folder) {
  const sizes = networks[name];
  const { batch, length, letters, steps } = sizes;
  const device = Device.open('cpu', { threads });
  const model = modelOf(nn.init(device, { seed: 1 }), sizes);
  const files = ['model', 'batches'].map((own) => path.join(folder, own));
  await saveModel(files[0], model, sizes);
  const count = batch * length;
  const ids = Int32Array.from({ length: 2 * batches * count }, (_, i) => (7919 * i + ((i * i) % 4001)) % letters);
  writeFileSync(files[1], ids);
  const tensors = Array.from({ length: batches }, (_, i) =>
    [0, 1].map((j) => Tensor.from(device, ids.slice((2 * i + j) * count, (2 * i + j + 1) * count), [batch, length])),
  );
  const peer = start([program, ...files, batch, length, batches, lr, weightDecay, threads === 1 ? 0 : 1]);

  const optimizer = new AdamW(nn.parameters(model), { lr, weightDecay });
  const step = nn.valueAndGrad((m, x, y) => lossOf(m, x, y, sizes));
  let place = 0;
  const ours = async () => {
    const losses = [];
    const from = spent();
    for (let i = 0; i < steps; i++, place++) {
      const { value, grads } = step(model, ...tensors[place % batches]);
      losses.push(value.read());
      optimizer.step(grads);
    }
    const read = await Promise.all(losses);
    return { milliseconds: (spent() - from) / steps, losses: read.map(([loss]) => loss) };
  };

  const turns = [];
  for (const end = Date.now() + 1e3 * Number(options.seconds); Date.now() < end || turns.length < 5; )
    turns.push([await ours(), await peer.ask(steps)]);
  await peer.end();
  await device.close();

  const [a, b] = [0, 1].map((side) => turns.flatMap((turn) => turn[side].losses));
  const apart = Math.max(...a.map((loss, i) => Math.abs(loss - b[i])));
  // The first turns warm up.
  const times = [0, 1].map((side) => turns.slice(2).map((turn) => turn[side].milliseconds));
  const [[low, middle], [peerLow, peerMiddle]] = times.map((side) => [least(side), median(side)]);
  console.log(
    `${name}, ${threads === 1 ? 'one thread' : `${threads} threads`}: ${low.toFixed(1)} (${middle.toFixed(1)}) ms, llm.c ` +
      `${peerLow.toFixed(1)} (${peerMiddle.toFixed(1)}), ratio ${(low / peerLow).toFixed(3)} (${(middle / peerMiddle).toFixed(3)}), ` +
      `${turns.length} turns of ${steps} steps; losses ${a[0].toFixed(4)} to ${a.at(-1).toFixed(4)}, apart by at most ${apart.toExponential(1)}`,
  );
  if (!(apart < 1e-2)) throw new Error(`${name}: losses differ`);
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-llm-c-'));
try {
  const program = path.join(folder, 'peer');
  const flags = ['-Ofast', '-march=native', '-fopenmp', '-DOMP', '-Wno-unused-result'];
  execFileSync(process.env.CC ?? 'cc', [...flags, '-I', sources, here('llm_c_peer.c'), '-o', program, '-lm']);
  for (const name of names.length > 0 ? names : Object.keys(networks)) await race(name, program, folder);
} finally {
  rmSync(folder, { recursive: true });
}
