// node scripts/peers/retrieval-approximate.mjs [rows] [columns] [--intrinsic n] [--threads n]: single queries of the exact search
// in f32 and i8 beside those of an approximate one, a graph of neighbours by npm's hnswlib-node, which is installed in a temporary
// folder (ORTHOKIT_HNSWLIB names one that is kept). Rows are noise, or with --intrinsic random sums of so many directions, as
// embeddings more often are. Each in a process of its own. Prints a line each: seconds until the first query can be asked,
// milliseconds of a query (median, 99th percentile of 1000), and the share of the 10 nearest rows that were found.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device } from 'orthokit';
import { RetrievalDatabase } from 'orthokit/data';
import { splitmix } from '../splitmix.mjs';

const k = 10;
const queries = 1000;
const { values: options, positionals } = parseArgs({
  options: {
    run: { type: 'string' },
    intrinsic: { type: 'string', default: '0' },
    threads: { type: 'string', default: '1' },
  },
  allowPositionals: true,
});

if (options.run) await run(options.run, ...positionals);
else compare(positionals.map(Number));

/** One form, in this process: a graph is asked with 100 candidates, and with 400. */
async function run(form, folder, ...sizes) {
  const [rows, columns] = sizes.map(Number);
  const list = (name) => new Float32Array(readFileSync(path.join(folder, name)).buffer);
  const [all, asked] = [list('rows'), list('queries')];
  const begin = performance.now();
  const searches = form === 'graph' ? graph(all, rows, columns) : { [form]: await exact(all, columns, form) };
  const seconds = (performance.now() - begin) / 1000;
  for (const [name, search] of Object.entries(searches)) {
    const times = [];
    const ids = [];
    for (let i = 0; i < queries; ++i) {
      const query = asked.subarray(i * columns, (i + 1) * columns);
      const start = performance.now();
      const found = await search(query);
      times.push(performance.now() - start);
      ids.push(...found);
    }
    times.sort((a, b) => a - b);
    console.log(JSON.stringify({ name, seconds, median: times[queries / 2], p99: times[queries * 0.99], ids }));
  }
}

async function exact(all, columns, dtype) {
  const db = new RetrievalDatabase(Device.open('cpu', { threads: Number(options.threads) }), columns, {
    metric: 'l2',
    dtype,
  });
  const part = columns * Math.floor(2 ** 26 / columns);
  for (let from = 0; from < all.length; from += part) await db.add(all.subarray(from, from + part));
  return async (query) => (await db.search(query, k)).ids;
}

/** A graph by its defaults: 16 neighbours, and 200 candidates when a row is added. */
function graph(all, rows, columns) {
  const { HierarchicalNSW } = createRequire(path.join(process.env.ORTHOKIT_HNSWLIB, 'any.js'))('hnswlib-node');
  const index = new HierarchicalNSW('l2', columns);
  index.initIndex(rows, 16, 200, 100);
  for (let i = 0; i < rows; ++i) index.addPoint([...all.subarray(i * columns, (i + 1) * columns)], i);
  const by = (candidates) => (query) => {
    index.setEf(candidates);
    return index.searchKnn([...query], k).neighbors;
  };
  return { 'graph, 100 candidates': by(100), 'graph, 400 candidates': by(400) };
}

function compare([rows = 350_000, columns = 100]) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    const env = { ...process.env, ORTHOKIT_HNSWLIB: process.env.ORTHOKIT_HNSWLIB ?? installed(folder) };
    writeRows(folder, rows, columns, Number(options.intrinsic));
    const kind = options.intrinsic === '0' ? 'noise' : `sums of ${options.intrinsic} directions`;
    console.log(`${rows} x ${columns}, ${kind}, k ${k}, exact search on ${options.threads} threads`);
    let right;
    for (const form of ['f32', 'i8', 'graph']) {
      const own = [import.meta.filename, '--run', form, '--threads', options.threads, folder, rows, columns];
      const { status, stdout, stderr } = spawnSync(process.execPath, own.map(String), {
        env,
        encoding: 'utf8',
        maxBuffer: 1 << 26,
      });
      if (status !== 0) throw new Error(stderr);
      for (const line of stdout.trim().split('\n')) {
        const { name, seconds, median, p99, ids } = JSON.parse(line);
        right ??= ids;
        const times = `ready in ${seconds.toFixed(1)} s, ${median.toFixed(3)} ms, p99 ${p99.toFixed(3)}`;
        console.log(`  ${name}: ${times}, found ${recall(ids, right).toFixed(4)}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function installed(folder) {
  const at = path.join(folder, 'npm');
  if (!existsSync(at)) mkdirSync(at);
  execFileSync('npm', ['install', '--prefix', at, '--no-audit', '--no-fund', 'hnswlib-node@3.0.0'], {
    stdio: 'ignore',
  });
  return at;
}

function recall(ids, expected) {
  let same = 0;
  for (let from = 0; from < ids.length; from += k) {
    const right = new Set(expected.slice(from, from + k));
    same += ids.slice(from, from + k).filter((id) => right.has(id)).length;
  }
  return same / ids.length;
}

function writeRows(folder, rows, columns, intrinsic) {
  const next = splitmix(1);
  const drawn = (count) => Float32Array.from({ length: count }, () => next() + next() + next() - 1.5);
  const directions = drawn(intrinsic * columns);
  for (const [name, count] of Object.entries({ rows, queries })) {
    const handle = openSync(path.join(folder, name), 'w');
    for (let i = 0; i < count; ++i) {
      const row = drawn(columns);
      if (intrinsic > 0) {
        const factors = drawn(intrinsic);
        for (let j = 0; j < columns; ++j) row[j] *= 0.1;
        for (let d = 0; d < intrinsic; ++d)
          for (let j = 0; j < columns; ++j) row[j] += factors[d] * directions[d * columns + j];
      }
      writeSync(handle, row);
    }
    closeSync(handle);
  }
}
