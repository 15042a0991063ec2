// Each call of CUDA and cuBLAS that a device's life makes fails in turn: a coded error, nothing leaked, no wrong number,
// the same device goes on, or after a fault that stays says so; the CPU is none the wiser.
// usage: node cuda.mjs <function, or *> <CUDA's code> <how often in a row> <1: each call; n: each n-th> [queued]
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { AdamW, combine, Device, loadTensors, Muon, OrthokitError, saveTensors, Tensor } from '../../../dist/index.js';

const [name, code, times, every, queued] = process.argv.slice(2);
const emulator = path.join(path.dirname(path.resolve(process.env.ORTHOKIT_CUDA_PLUGIN)), 'emulator_control.node');
const { control, lastFinding } = createRequire(import.meta.url)(emulator);
control(`streams=${queued ? 'deferred' : 'eager'}`);

const stays = Number(code) >= 700 && Number(code) <= 719;
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
const data = (size, seed) => Float32Array.from({ length: size }, (_, i) => Math.sin(9.7 * (i + 1) + seed));
const bytesOf = (array) => Buffer.from(array.buffer).toString('latin1');
const shapes = [[5, 7], [20, 17], [31]];

/** Two steps, saves and a load: what must come out. */
async function live(device) {
  const weights = shapes.map((s, i) =>
    Tensor.from(
      device,
      data(
        s.reduce((a, b) => a * b),
        i,
      ),
      s,
    ),
  );
  const grads = shapes.map((s, i) =>
    Tensor.from(
      device,
      data(
        s.reduce((a, b) => a * b),
        10 + i,
      ),
      s,
    ),
  );
  const optimizer = combine([
    // A third step of Newton–Schulz would make the calls of the second.
    { optimizer: Muon, params: weights.slice(0, 2), coefficients: 'jordan', nsSteps: 2 },
    { optimizer: AdamW, params: weights.slice(2) },
  ]);
  optimizer.step(grads);
  await optimizer.save(path.join(folder, 'optimizer'));
  optimizer.step(grads);
  await saveTensors(path.join(folder, 'weights'), Object.fromEntries(weights.map((w, i) => [i, w])));
  const loaded = Object.values(await loadTensors(path.join(folder, 'weights'), device));
  const all = await Promise.all([...weights, ...loaded].map((t) => t.read()));
  return [...all.map(bytesOf), readFileSync(path.join(folder, 'weights'), 'latin1')];
}

const cpu = Device.open('cpu', { threads: 1 });
const problems = [];
const seen = {};
const expected = await (async () => {
  for (let i = 0; ; i++) {
    control('clear');
    const device = Device.open('cuda');
    const result = await live(device);
    await device.close();
    if (i === 1) return result; // what is made once per process is there
  }
})();
const calls = control(`calls?${name}`);

for (let n = 1; n <= calls; n += Number(every)) {
  const say = (what) => problems.push(`${name}, call ${n}: ${what}`);
  control('clear');
  for (let i = 0; i < Number(times); i++) control(`fail=${name}:${n}:${code}`);
  let device;
  let error;
  let result;
  try {
    device = Device.open('cuda');
    result = await live(device);
  } catch (thrown) {
    error = thrown;
  }
  if (error) {
    if (error instanceof OrthokitError) seen[`${error.code} ${error.message}`] = n;
    else say(`threw ${error.stack}`);
  } else if (String(result) !== String(expected)) {
    say('went on with wrong numbers');
  } else {
    seen.recovered = n;
  }
  if (device && (error || control(`calls?${name}`) >= n)) {
    const next = async () => (await Tensor.full(device, [3], 2).read()).join();
    if (stays) {
      await device.synchronize().catch(() => {});
      const late = await next().then(
        () => undefined,
        (thrown) => thrown,
      );
      if (late?.code !== 'ERR_BACKEND') say(`the fault is forgotten: ${late}`);
    } else {
      // A failure behind an error that was thrown at the call is still to be reported.
      await device.synchronize().catch((late) => {
        if (!(late instanceof OrthokitError)) say(`later ${late.stack}`);
      });
      control('succeed');
      const value = await next().catch((late) => `${late}`);
      if (value !== '2,2,2') say(`the next call gives ${value}`);
    }
  }
  await device?.close().catch((late) => say(`close: ${late}`));
  for (const what of ['allocations', 'pinned', 'findings']) {
    const left = control(`${what}?`);
    if (left !== 0) say(`${left} ${what} left ${lastFinding()}`);
  }
  if ((await Tensor.full(cpu, [2], 7).read()).join() !== '7,7') say('the CPU gives wrong numbers');
}
await cpu.close();
rmSync(folder, { recursive: true });
console.log(JSON.stringify({ calls, seen, problems: problems.slice(0, 20), count: problems.length }));
