#!/usr/bin/env node
// Races attention, forward and with its gradients, against PyTorch, turn by turn on the same numbers in f32; results are
// compared in every run. On several threads PyTorch multiplies explicitly: its fused attention was seen to be wrong there.
// usage: node scripts/peers/attention.mjs [--threads n] [--seconds n] [batch,heads,places,size,causal|none …]
// ORTHOKIT_PYTHON names the interpreter (default /usr/bin/python3).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, ops, Tensor } from 'orthokit';
import { clockOf, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '1' }, seconds: { type: 'string', default: '4' } },
});
const usual = [
  '12,4,64,32,causal',
  '8,8,256,64,causal',
  '1,8,1024,64,causal',
  '1,12,2048,64,causal',
  '8,8,256,64,none',
];
const cases = positionals.length > 0 ? positionals : usual;
const threads = Number(options.threads);
const seconds = Number(options.seconds);
const device = Device.open('cpu', { threads });
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-attention-'));

const spent = clockOf(threads);

/** The median of the rounds, and the time that a tenth of them are below. */
const figures = (times) => [median(times), times.toSorted((a, b) => a - b)[Math.floor(times.length / 10)]];

/** The largest distance by the largest number. */
function distance(ours, theirs) {
  let [most, error] = [0, 0];
  theirs.forEach((x, i) => {
    most = Math.max(most, Math.abs(x));
    error = Math.max(error, Math.abs(x - ours[i]));
  });
  return error / most;
}

function work(batch, heads, places, size, mask) {
  const wide = [batch, places, 3 * heads * size];
  const narrow = [batch, places, heads * size];
  const [qkv, grad] = [wide, narrow].map((shape, seed) => Tensor.randn(device, shape, { seed }));
  const [gradQkv, out] = [wide, narrow].map((shape) => Tensor.zeros(device, shape));
  const all = { qkv, out, logSums: Tensor.zeros(device, [batch, heads, places]), heads, mask };
  const forward = () => ops.attention(device, all);
  const both = () => {
    forward();
    ops.attentionBackward(device, { ...all, grad, gradQkv });
  };
  return { forward, both, qkv, grad, out, gradQkv };
}

async function raceOne(name) {
  const [batch, heads, places, size] = name.split(',').map(Number);
  const own = work(batch, heads, places, size, name.split(',')[4]);
  const file = (part) => path.join(folder, part);
  for (const part of ['qkv', 'grad']) writeFileSync(file(part), await own[part].read());
  const peer = startPeer('attention_peer.py', [name, threads, folder], threads);
  const calls = Math.ceil(1e8 / (batch * heads * places * places * size));
  const ask = (word) => peer.ask(`${word} ${word === 'save' ? 1 : calls}`);
  // Several calls a round, as a network makes them: to wait for one short call costs as much as it does.
  const ours = async (run) => {
    const start = spent();
    for (let i = 0; i < calls; i++) run();
    await device.synchronize();
    return (spent() - start) / calls;
  };
  const errors = [];
  for (const kind of ['forward', 'both']) {
    await ask(kind);
    await ours(own[kind]);
    const times = [[], []];
    for (const end = Date.now() + 1e3 * seconds; Date.now() < end || times[0].length < 7; ) {
      times[0].push(await ours(own[kind]));
      times[1].push(await ask(kind));
    }
    const [result, theirs] = kind === 'forward' ? [own.out, 'out'] : [own.gradQkv, 'gradQkv'];
    await ask('save');
    const bytes = readFileSync(file(theirs));
    errors.push(distance(await result.read(), new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)));
    const [[middle, low], [peerMiddle, peerLow]] = times.map(figures);
    console.log(
      `${name.padEnd(20)} ${kind.padEnd(8)} ${low.toFixed(3)} (${middle.toFixed(3)}) ms, PyTorch ${peerLow.toFixed(3)} (${peerMiddle.toFixed(3)}), ` +
        `ratio ${(low / peerLow).toFixed(3)} (${(middle / peerMiddle).toFixed(3)}), ${times[0].length} rounds, apart by ${errors.at(-1).toExponential(1)}`,
    );
  }
  await peer.end();
  if (Math.max(...errors) > 1e-5) throw new Error(`${name}: results differ`);
}

try {
  for (const name of cases) await raceOne(name);
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}
