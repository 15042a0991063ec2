// The training server under load: requests and clients that listen while jobs train, and a start with many runs. Figures
// of a machine that does nothing else go to docs/guide/server.md.
// usage: node scripts/server-load.mjs [--seconds N] [--clients N] [--runs N] [--json]
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    clients: { type: 'string', default: '50' },
    runs: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, clients, runs] = [Number(values.seconds), Number(values.clients), Number(values.runs)];
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
const script = path.join(import.meta.dirname, '..', 'examples', 'training-server', 'serve.mjs');

async function serve() {
  const start = performance.now();
  const child = spawn(process.execPath, [script, '--folder', folder, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const text = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
  const [, url, own] = /^(http:\S+)\/ with .* after ([\d.]+) s/.exec(text);
  const json = async (place, body) => {
    const headers = { 'Content-Type': 'application/json' };
    return (await fetch(url + place, body ? { method: 'POST', headers, body: JSON.stringify(body) } : {})).json();
  };
  const number = async (name) => {
    const all = await (await fetch(`${url}/metrics`)).text();
    return Number(
      all
        .split('\n')
        .find((line) => line.startsWith(`orthokit_${name} `))
        ?.split(' ')[1],
    );
  };
  const end = (signal) => new Promise((resolve) => child.once('exit', resolve).kill(signal));
  return { url, json, number, end, seconds: (performance.now() - start) / 1000, own: Number(own) };
}

/** Milliseconds from when an event was made to when a client had it. */
async function listen(url, lags, signal) {
  const response = await fetch(`${url}/events`, { signal });
  try {
    for await (const piece of response.body.pipeThrough(new TextDecoderStream()))
      for (const [, time] of piece.matchAll(/"time":(\d+),/g)) lags.push(Date.now() - Number(time));
  } catch {
    // The time is over.
  }
}

const part = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
const round = (value) => Number(value.toPrecision(3));

try {
  const server = await serve();
  const job = { kind: 'mlp', steps: 1_000_000, checkpointEvery: 1000 };
  for (const optimizer of ['muon', 'adamw']) await server.json('/jobs', { ...job, optimizer, lr: 0.001 });
  while ((await server.json('/jobs?state=running')).runs.filter(({ step }) => step > 50).length < 2)
    await new Promise((resolve) => setTimeout(resolve, 100));
  const [lags, leave] = [[], new AbortController()];
  const listening = Array.from({ length: clients }, () => listen(server.url, lags, leave.signal));
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const calm = {
    p99: await server.number('event_loop_lag_ms{quantile="0.99"}'),
    most: await server.number('event_loop_lag_ms{quantile="1"}'),
  };
  const events = lags.length / seconds;
  const steps = (await server.json('/jobs?state=running')).runs.map(({ step }) => step);
  const load = await autocannon({ url: `${server.url}/jobs?limit=10`, connections: 16, duration: seconds });
  const accepted = await autocannon({
    url: `${server.url}/jobs`,
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ kind: 'mlp', steps: 1 }),
    connections: 4,
    amount: 60,
  });
  const resident = await server.number('resident_bytes');
  const dropped = await server.number('stream_dropped_total');
  leave.abort();
  await Promise.all(listening);
  lags.sort((a, b) => a - b);
  await server.end('SIGKILL');

  // The same folder with many more runs, copies of one that has ended.
  const all = path.join(folder, 'runs');
  const [first, ...others] = readdirSync(all);
  for (const name of others) rmSync(path.join(all, name), { recursive: true });
  const manifest = JSON.parse(readFileSync(path.join(all, first, 'manifest.json'), 'utf8'));
  const journal = readFileSync(path.join(all, first, 'events.jsonl'), 'utf8')
    .split('\n')
    .slice(0, 200)
    .join('\n');
  rmSync(path.join(all, first, 'checkpoints'), { recursive: true, force: true });
  for (let i = 0; i < runs; i++) {
    const id = `m0000000-${i.toString(16).padStart(8, '0')}`;
    cpSync(path.join(all, first), path.join(all, id), { recursive: true });
    const lines = journal.split('\n').map((line, j) => line.replace(/^\{"seq":\d+/, `{"seq":${200 * i + j + 1}`));
    writeFileSync(path.join(all, id, 'events.jsonl'), `${lines.join('\n')}\n`);
    const summary = {
      state: 'done',
      lastSeq: 200 * (i + 1),
      step: 1000,
      last: {},
      checkpoints: [],
      changes: [],
      attempts: 0,
      updated: manifest.created,
    };
    writeFileSync(
      path.join(all, id, 'manifest.json'),
      JSON.stringify({ ...manifest, id, summary, bytes: Buffer.byteLength(lines.join('\n')) + 1 }),
    );
  }
  rmSync(path.join(all, first), { recursive: true });
  const again = await serve();
  const figures = {
    machine: `${os.cpus()[0]?.model}, ${os.availableParallelism()} cores, Node.js ${process.version}`,
    'steps of the two jobs so far': steps.join(', '),
    'clients that listen': clients,
    'events to them a second': round(events),
    'event lag p99, ms': part(lags, 0.99),
    'event loop lag p99, ms (R19: 10)': round(calm.p99),
    'event loop lag max, ms (R19: 50)': round(calm.most),
    'GET /jobs a second meanwhile': round(load.requests.average),
    'GET /jobs p99, ms': load.latency.p99,
    'jobs accepted a second': round(accepted.requests.total / accepted.duration),
    'clients dropped': dropped,
    'resident, MB': round(resident / 1e6),
    [`start with ${runs} runs, s (own part)`]: `${round(again.seconds)} (${again.own})`,
    [`resident with ${runs} runs, MB`]: round((await again.number('resident_bytes')) / 1e6),
  };
  await again.end('SIGTERM');
  console.log(
    values.json
      ? JSON.stringify(figures)
      : Object.entries(figures)
          .map(([name, value]) => `| ${name} | ${value} |`)
          .join('\n'),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
