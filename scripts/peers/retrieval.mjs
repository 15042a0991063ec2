// node scripts/peers/retrieval.mjs [rows] [columns] [queries] [k] [turns]: exact search of the nearest rows by squared distance
// on two threads (or ORTHOKIT_NUM_THREADS), in f32, f16 and i8, against faiss's flat index (Debian's python3-faiss) and NumPy.
// Each runs in processes of its own, in turns. Prints a line each: milliseconds of a batch (the least of the turns' medians), of a single query (median
// and 99th percentile), how many times ours the batch takes, and which share of the ids is that of f32. Then what it takes to
// open the file of the rows. Without sizes: 350,000 × 100, then 1,000,000 × 128.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device } from 'orthokit';
import { RetrievalDatabase } from 'orthokit/data';
import { splitmix } from '../splitmix.mjs';
import { here, median, plainEnvironment, python } from './turns.mjs';

const threads = process.env.ORTHOKIT_NUM_THREADS ?? '2';
const [, , first, ...words] = process.argv;
if (first === '--run') await run(...words);
else if (first) compare([first, ...words].map(Number));
else for (const sizes of [[350_000, 100], [1_000_000, 128]]) compare(sizes); // biome-ignore format: one line

/** Milliseconds of calls. */
async function timed(rounds, call) {
  const times = [];
  for (let round = 0; round < rounds; ++round) {
    const begin = performance.now();
    await call(round);
    times.push(performance.now() - begin);
  }
  return times;
}

/** One form, in this process. */
async function run(dtype, folder, ...sizes) {
  const [rows, columns, queries, k] = sizes.map(Number);
  const list = (name) => new Float32Array(readFileSync(path.join(folder, name)).buffer);
  const device = Device.open('cpu', { threads: Number(threads) });
  const db = new RetrievalDatabase(device, columns, { metric: 'l2', dtype });
  const part = 2 ** 26;
  const all = list('rows');
  for (let from = 0; from < all.length; from += part - (part % columns))
    await db.add(all.subarray(from, Math.min(all.length, from + part - (part % columns))));
  const asked = list('queries');
  let ids;
  const batch = await timed(7, async () => {
    ({ ids } = await db.search(asked, k));
  });
  const one = (round) => asked.subarray((round % queries) * columns, ((round % queries) + 1) * columns);
  const single = await timed(200, async (round) => db.search(one(round), k));
  single.sort((a, b) => a - b);
  const file = path.join(folder, `${dtype}.safetensors`);
  await db.save(file);
  const opening = await timed(5, async () => (await RetrievalDatabase.open(device, file)).dispose());
  rmSync(file);
  const result = {
    ms: median(batch),
    single: single[100],
    p99: single[198],
    open: median(opening),
    ids: [...ids],
    rows,
  };
  console.log(JSON.stringify(result));
}

function answerOf([program, ...words]) {
  const env = {
    ...plainEnvironment,
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    OMP_WAIT_POLICY: 'passive',
  };
  const { status, stdout, stderr } = spawnSync(program, words.map(String), {
    encoding: 'utf8',
    env,
    maxBuffer: 1 << 26,
  });
  if (status === 0) return JSON.parse(stdout.trim().split('\n').at(-1));
  return { skipped: stderr.trim().split('\n').at(-1) };
}

function compare([rows, columns = 128, queries = 64, k = 10, turns = 3]) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    write(path.join(folder, 'rows'), rows * columns, 1);
    write(path.join(folder, 'queries'), queries * columns, 2);
    const sizes = [folder, rows, columns, queries, k];
    const own = (dtype) => [process.execPath, import.meta.filename, '--run', dtype, ...sizes];
    const peer = (form) => [python, here('retrieval_peer.py'), form, ...sizes];
    const forms = {
      'orthokit f32': own('f32'),
      'faiss IndexFlatL2': peer('faiss'),
      'orthokit f16': own('f16'),
      'orthokit i8': own('i8'),
      NumPy: peer('numpy'),
    };
    const found = Object.fromEntries(Object.keys(forms).map((name) => [name, []]));
    for (let turn = 0; turn < turns; ++turn)
      for (const [name, command] of Object.entries(forms)) found[name].push(answerOf(command));
    console.log(`${rows} x ${columns}, ${queries} queries, k ${k}, ${threads} threads`);
    const [{ ids }] = found['orthokit f32'];
    const least = (name, key) => Math.min(...found[name].map((answer) => answer[key]));
    for (const [name, [answer]] of Object.entries(found)) {
      if (answer.skipped) {
        console.log(`  ${name}: ${answer.skipped}`);
        continue;
      }
      const ms = least(name, 'ms');
      const same = recall(answer.ids, ids, k);
      const opened = answer.open === undefined ? '' : `, opened in ${least(name, 'open').toFixed(1)} ms`;
      const singles = `${least(name, 'single').toFixed(2)} ms, p99 ${least(name, 'p99').toFixed(2)}`;
      const ratio = (ms / least('orthokit f32', 'ms')).toFixed(2);
      console.log(`  ${name}: ${ms.toFixed(1)} ms (${ratio}), single ${singles}, ids ${same.toFixed(4)}${opened}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The share of the ids of a list among those of another, query by query. */
function recall(ids, expected, k) {
  let same = 0;
  for (let from = 0; from < ids.length; from += k) {
    const right = new Set(expected.slice(from, from + k));
    same += ids.slice(from, from + k).filter((id) => right.has(id)).length;
  }
  return same / ids.length;
}

/** Sums of uniform numbers, nearly normal, in parts. */
function write(file, count, seed) {
  const next = splitmix(seed);
  const handle = openSync(file, 'w');
  for (let done = 0; done < count; done += 1 << 20) {
    const part = Float32Array.from({ length: Math.min(1 << 20, count - done) }, () => next() + next() + next() - 1.5);
    writeSync(handle, part);
  }
  closeSync(handle);
}
