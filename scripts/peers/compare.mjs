#!/usr/bin/env node
// Races the same work in orthokit, PyTorch, NumPy and TensorFlow.js, on one thread each.
// usage: node scripts/peers/compare.mjs [--turns n] [--json] [case …]
// Each turn is a process of its own, peer after peer, so that no two pools of threads meet. ORTHOKIT_PYTHON names the
// interpreter (default /usr/bin/python3).
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import cases from './cases.json' with { type: 'json' };

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

const python = process.env.ORTHOKIT_PYTHON ?? '/usr/bin/python3';
const here = (file) => path.join(import.meta.dirname, file);
const peers = {
  orthokit: (name) => [process.execPath, here('orthokit-peer.mjs'), name],
  torch: (name) => [python, here('torch_peer.py'), name],
  numpy: (name) => [python, here('numpy_peer.py'), name],
  'tfjs wasm': (name) => [process.execPath, here('tfjs-peer.mjs'), name, 'wasm'],
  'tfjs cpu': (name) => [process.execPath, here('tfjs-peer.mjs'), name, 'cpu'],
};
const oneThread = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };

/** One process of one peer: its line, or why there is none. */
function turn(peer, name) {
  const [program, ...words] = peers[peer](name);
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    encoding: 'utf8',
    env: { ...process.env, ...oneThread },
    timeout: 120_000,
  });
  if (status === 0) return JSON.parse(stdout.trim().split('\n').at(-1));
  const said =
    error?.message ??
    stderr
      .trim()
      .split('\n')
      .findLast((line) => /error/i.test(line)) ??
    `status ${status}`;
  return { peer, case: name, skipped: said.trim() };
}

const missing = new Map();
for (const name of names) {
  const best = new Map();
  for (let i = 0; i < turns; i++)
    for (const peer of Object.keys(peers)) {
      if (missing.has(peer) || best.get(peer)?.skipped) continue;
      const line = turn(peer, name);
      // What cannot be imported cannot be imported for the next case either.
      if (/ModuleNotFoundError|Cannot find package|ENOENT/.test(line.skipped ?? '')) missing.set(peer, line.skipped);
      const before = best.get(peer);
      if (line.skipped || !before || line.median_ms < before.median_ms) best.set(peer, line);
    }
  const ours = best.get('orthokit');
  for (const peer of Object.keys(peers)) {
    const line = best.get(peer) ?? { peer, case: name, skipped: missing.get(peer) };
    const ratio = line.median_ms / ours?.median_ms;
    if (options.json) console.log(JSON.stringify({ ...line, ratio_to_orthokit: ratio }));
    else if (line.skipped) console.log(`${name.padEnd(14)} ${peer.padEnd(10)} not raced: ${line.skipped}`);
    else
      console.log(
        `${name.padEnd(14)} ${peer.padEnd(10)} ${line.median_ms.toFixed(2).padStart(9)} ms  ×${ratio.toFixed(2).padStart(6)}  ${line.version}`,
      );
  }
}
