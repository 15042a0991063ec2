// node scripts/peers/merging.mjs [rows] [columns] [layers] [models]: OPCM of models of random numbers, folder to folder, on one
// thread, against PyTorch: the form of the authors' program, whose singular vectors are full, and the thin one. Each runs in
// processes of its own, in turns. Results are compared first. Prints a line each: the least seconds of three turns, by the
// clock and of the processor, which a busy machine disturbs less, and the memory that a process had resident at most.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, loadTensors, saveTensors, Tensor } from 'orthokit';
import { mergeModels } from 'orthokit/merging';
import { here, plainEnvironment, python } from './turns.mjs';

const turns = 3;
const alpha = 0.5;

if (process.argv[2] === '--run') await run(JSON.parse(process.argv[3]));
else await compare(process.argv.slice(2).map(Number));

/** One merge, in this process. */
async function run(options) {
  const [begin, before] = [performance.now(), process.cpuUsage()];
  const { memoryBytes } = await mergeModels({ ...options, method: 'opcm', alpha, device: 'cpu' });
  const { user, system } = process.cpuUsage(before);
  const [seconds, processor] = [(performance.now() - begin) / 1000, (user + system) / 1e6];
  console.log(JSON.stringify({ seconds, processor, bytes: 1024 * process.resourceUsage().maxRSS, memoryBytes }));
}

async function compare([rows = 1024, columns = 512, layers = 4, count = 3]) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  const at = (name) => path.join(folder, name);
  try {
    const models = Array.from({ length: count }, (_, i) => at(`model${i}`));
    for (const [i, model] of [at('base'), ...models].entries()) await writeModel(model, [rows, columns], layers, i);
    const forms = {
      orthokit: (out) => [
        process.execPath,
        [import.meta.filename, '--run', JSON.stringify({ base: at('base'), models, out })],
      ],
      'PyTorch, thin': (out) => [python, [here('merging_peer.py'), 'thin', alpha, at('base'), ...models, out]],
      'PyTorch, full': (out) => [python, [here('merging_peer.py'), 'full', alpha, at('base'), ...models, out]],
    };
    const found = Object.fromEntries(Object.keys(forms).map((name) => [name, []]));
    for (let turn = 0; turn < turns; ++turn)
      for (const [name, command] of Object.entries(forms)) {
        const out = at(`${name}-${turn}`);
        found[name].push(answerOf(...command(out)));
        if (turn === 0) await checkNear(at('orthokit-0'), out);
        if (turn > 0) rmSync(out, { recursive: true });
      }
    console.log(`${layers} matrices of ${rows} x ${columns}, ${count} models, one thread`);
    for (const [name, answers] of Object.entries(found)) {
      const least = (key) => Math.min(...answers.map((answer) => answer[key]));
      const said = answers[0].memoryBytes ? `, said beforehand ${(answers[0].memoryBytes / 1e6).toFixed(0)} MB` : '';
      const times = ['seconds', 'processor'].map((key) => `${least(key).toFixed(2)} s`).join(', of the processor ');
      console.log(`${name}: ${times}, ${(least('bytes') / 1e6).toFixed(0)} MB${said}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function answerOf(program, words) {
  const env = { ...plainEnvironment, OMP_NUM_THREADS: '1', ORTHOKIT_NUM_THREADS: '1' };
  const { status, stdout } = spawnSync(program, words.map(String), {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return JSON.parse(stdout);
}

/** A base, and models near it. */
async function writeModel(folder, shape, layers, seed) {
  mkdirSync(folder);
  const device = Device.open('cpu');
  const tensors = {};
  for (let layer = 0; layer < layers; ++layer) {
    const base = Float32Array.from(await Tensor.randn(device, shape, { seed: layer }).read());
    const own = await Tensor.randn(device, shape, { seed: 1000 * seed + layer }).read();
    if (seed > 0) for (let i = 0; i < base.length; ++i) base[i] += 0.1 * own[i];
    tensors[`layers.${layer}.weight`] = Tensor.from(device, base, shape);
  }
  await saveTensors(path.join(folder, 'model.safetensors'), tensors);
  await device.close();
}

async function checkNear(one, other) {
  const device = Device.open('cpu');
  const [a, b] = [
    await loadTensors(`${one}/model.safetensors`, device),
    await loadTensors(`${other}/model.safetensors`, device),
  ];
  for (const name of Object.keys(a)) {
    const [x, y] = [await a[name].read(), await b[name].read()];
    const difference = x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i])), 0);
    if (!(difference < 1e-4)) throw new Error(`${name} of ${other}: a difference of ${difference}`);
  }
  await device.close();
}
