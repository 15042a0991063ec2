// Trains on request: a server with a page, whose runs survive its end.
// usage: node examples/training-server/serve.mjs [--folder folder] [--host address] [--port N] [--data folder] [--models folder] [--jobs N] [--allow-host name] [--read-only]
import { isIP } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { listen } from './http/listen.mjs';
import { resetLag } from './http/prometheus.mjs';
import { Streams } from './http/stream.mjs';
import { Scheduler } from './jobs/scheduler.mjs';
import { limits as standard } from './limits.mjs';
import { log } from './log.mjs';
import { standardFolder } from './runs/folder.mjs';
import { Store } from './runs/store.mjs';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: standardFolder },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8080' },
    data: { type: 'string' },
    models: { type: 'string' },
    jobs: { type: 'string', default: `${standard.running}` },
    'allow-host': { type: 'string', multiple: true, default: [] },
    'read-only': { type: 'boolean', default: false },
  },
});
const [port, running] = [Number(values.port), Number(values.jobs)];
const { host } = values;
const token = process.env.ORTHOKIT_TOKEN || undefined;
/** @param {string} message @returns {never} */
function refuse(message) {
  console.error(`serve.mjs: ${message}`);
  process.exit(2);
}
if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) refuse(`--port must be 0 to 65535, got ${values.port}`);
if (!(Number.isInteger(running) && running > 0 && running <= 64)) refuse(`--jobs must be 1 to 64, got ${values.jobs}`);
if (isIP(host) === 0) refuse(`--host must be an address, got ${host}`);
const isLoopback = /^127\.|^::1$/.test(host);
if (!isLoopback && (token?.length ?? 0) < 16)
  refuse('beyond loopback ORTHOKIT_TOKEN must have a token of 16 characters or more');

const limits = { ...standard, running };
const start = performance.now();
const store = await Store.open(path.resolve(values.folder), limits).catch((error) => refuse(error.message));
const scheduler = new Scheduler(store, {
  ...(values.data === undefined ? {} : { data: path.resolve(values.data) }),
  ...(values.models === undefined ? {} : { models: path.resolve(values.models) }),
});
await scheduler.recover();
const streams = new Streams(store);
const door = { hosts: values['allow-host'].map((name) => name.toLowerCase()), token, readOnly: values['read-only'] };
const http = await listen({ store, scheduler, streams, limits, answers: new Map() }, { host, port, ...door }).catch(
  (error) => refuse(`${host}:${port} cannot be had: ${error.code}`),
);
const address = /** @type {import('node:net').AddressInfo} */ (http.address());
const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
resetLag();
const seconds = ((performance.now() - start) / 1000).toFixed(2);
console.log(`http://${name}:${address.port}/ with ${store.runs.length} runs, after ${seconds} s`);

let signals = 0;
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    signals += 1;
    // All that is acknowledged is in the journals already.
    if (signals > 1) process.exit(1);
    void end();
  });

/** No more requests; jobs save, and go on with the next server. */
async function end() {
  log('the server ends', { running: scheduler.running });
  http.close();
  http.closeIdleConnections();
  await scheduler.close();
  streams.close();
  await store.close();
  http.closeAllConnections();
  process.exit(0);
}
