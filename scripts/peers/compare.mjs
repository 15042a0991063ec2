#!/usr/bin/env node
// Races the same work in orthokit, PyTorch, NumPy and TensorFlow.js, on one thread each, in f32, results in memory that is
// reused.
// usage: node scripts/peers/compare.mjs [--turns n] [--json] [case …]
// Each turn is a process of its own, peer after peer, so that no two pools of threads meet. ORTHOKIT_PYTHON names the
// interpreter (default /usr/bin/python3).
import { parseArgs } from 'node:util';
import cases from './cases.json' with { type: 'json' };
import { here, isMissing, python, race } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { turns: { type: 'string', default: '3' }, json: { type: 'boolean' } },
});
const turns = Number(options.turns);
const names = positionals.length > 0 ? positionals : Object.keys(cases);
const unknown = names.filter((name) => !Object.hasOwn(cases, name));
if (unknown.length > 0 || !(turns >= 1)) {
  console.error(`there is no case ${unknown}; cases: ${Object.keys(cases).join(' ')}; --turns must be 1 or more`);
  process.exit(2);
}

const peers = {
  orthokit: (name) => [process.execPath, here('orthokit-peer.mjs'), name],
  torch: (name) => [python, here('torch_peer.py'), name],
  numpy: (name) => [python, here('numpy_peer.py'), name],
  'tfjs wasm': (name) => [process.execPath, here('tfjs-peer.mjs'), name, 'wasm'],
  'tfjs cpu': (name) => [process.execPath, here('tfjs-peer.mjs'), name, 'cpu'],
};

const missing = new Map();
for (const name of names) {
  const there = Object.keys(peers).filter((peer) => !missing.has(peer));
  const lines = race(new Map(there.map((peer) => [peer, { command: peers[peer](name) }])), turns);
  const ours = lines.get('orthokit');
  for (const peer of Object.keys(peers)) {
    const line = { ...(lines.get(peer) ?? { skipped: missing.get(peer) }), peer, case: name };
    if (isMissing(line)) missing.set(peer, line.skipped);
    const ratio = line.median_ms / ours?.median_ms;
    if (options.json) console.log(JSON.stringify({ ...line, ratio_to_orthokit: ratio }));
    else if (line.skipped) console.log(`${name.padEnd(14)} ${peer.padEnd(10)} not raced: ${line.skipped}`);
    else
      console.log(
        `${name.padEnd(14)} ${peer.padEnd(10)} ${line.median_ms.toFixed(2).padStart(9)} ms  ×${ratio.toFixed(2).padStart(6)}  ${line.version}`,
      );
  }
}
