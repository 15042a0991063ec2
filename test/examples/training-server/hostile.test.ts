// Devices: cpu
// R22: nothing that comes in over HTTP makes the server fail, or take memory without bound.

import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../../../examples/training-server/http/listen.mjs';
import { Streams } from '../../../examples/training-server/http/stream.mjs';
import { Scheduler } from '../../../examples/training-server/jobs/scheduler.mjs';
import { limits as standard } from '../../../examples/training-server/limits.mjs';
import { Store } from '../../../examples/training-server/runs/store.mjs';
import { uniform } from '../../support/data.ts';
import { goal } from '../../support/goal.ts';
import { Server } from './server.ts';

const requests = goal('R22', { ci: 2000, deep: 100_000 });
/** Bytes by which the server may grow. */
const growth = 128 * 2 ** 20;

/** Sends bytes, and answers all that comes until the other side ends. */
function raw(port: number, bytes: string | Buffer, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (end ? socket.end(bytes) : socket.write(bytes)));
    let text = '';
    socket.setTimeout(20_000, () => socket.destroy());
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
}
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);

/** A request as no client would send it. */
function malformed(random: () => number): string {
  const one = <T>(values: readonly T[]): T => values[Math.floor(values.length * random())]!;
  const noise = (length: number) => Array.from({ length }, () => String.fromCharCode(256 * random())).join('');
  const method = one(['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS', 'HEAD', 'TRACE', 'get', 'G T', '']);
  const id = 'm0000000-00000000';
  const place = one([
    '/',
    '/jobs',
    `/jobs/${id}`,
    `/jobs/${id}/pause`,
    `/jobs/${id}/metrics`,
    '/events',
    '/jobs/../../etc/passwd',
    '/jobs/%2e%2e%2f%2e%2e',
    '/page/%2e%2e/serve.mjs',
    '//evil/',
    'http://evil/',
    '*',
    '/%',
    '/jobs?limit=-1',
    '/jobs?limit=1e9',
    '/jobs?state=a&state=b',
    '/jobs?cursor=%00',
    '/jobs?constructor=1',
    '/jobs?toString=1',
    '/jobs?__proto__=1',
    `/${noise(8)}`,
    `/${'a'.repeat(5000)}`,
    '/jobs/__proto__',
    '/jobs/constructor/metrics?keys=__proto__',
  ]);
  const host = one(['localhost', 'localhost', 'localhost', '127.0.0.1', 'evil.example', '', noise(3)]);
  const bodies = [
    '',
    '{',
    '[]',
    'null',
    '{"kind":"mlp"',
    '{"kind":"__proto__"}',
    '{"kind":"mlp","steps":1e99}',
    '{"kind":"mlp","data":"../../etc/passwd"}',
    '{"kind":"merge","base":"folder:..","models":[]}',
    '{"__proto__":{"kind":"mlp"}}',
    `${'['.repeat(500)}`,
    `{"kind":${'['.repeat(9)}${']'.repeat(9)}}`,
    noise(50),
    `{"kind":"${'a'.repeat(10_000)}"}`,
  ];
  const body = one(bodies);
  const length = one([
    `${Buffer.byteLength(body, 'latin1')}`,
    `${Buffer.byteLength(body, 'latin1')}`,
    '-1',
    '1e3',
    '99999999999',
    '5, 6',
    noise(2),
  ]);
  const lines = [
    `${method} ${place} ${one(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/9.9', ''])}`,
    `Host: ${host}`,
    ...(random() < 0.7 ? [`Content-Length: ${length}`] : ['Transfer-Encoding: chunked']),
    ...(random() < 0.8 ? ['Content-Type: application/json'] : []),
    ...(random() < 0.2 ? [`Origin: ${one(['http://evil.example', 'null', 'http://localhost'])}`] : []),
    ...(random() < 0.2 ? [`Last-Event-ID: ${one(['-1', 'abc', '99999999999999999999', noise(4)])}`] : []),
    ...(random() < 0.1 ? [`Range: ${one(['bytes=5-1', 'bytes=a-b', 'bytes=-'])}`] : []),
    ...(random() < 0.1 ? [`X: ${'a'.repeat(9000)}`] : []),
    ...(random() < 0.1 ? [noise(20)] : []),
    ...(random() < 0.1 ? [`Idempotency-Key: ${noise(4)}`] : []),
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${random() < 0.9 ? body : ''}`;
}

describe('a server that is sent what no client sends', () => {
  const server = new Server();
  let port = 0;
  beforeAll(async () => {
    await server.start();
    port = Number(new URL(server.url).port);
  });
  afterAll(() => server.dispose());
  const resident = async () => Number(/^orthokit_resident_bytes (\d+)$/m.exec((await server.ask('/metrics')).body)![1]);

  it('R22: answers 2xx or 4xx, and does not grow', {
    ...requests.tagged,
    timeout: requests.limit(120_000),
  }, async () => {
    const before = await resident();
    const statuses = new Map<number, number>();
    let waiting: Promise<void>[] = [];
    await requests.each(async (seed) => {
      const text = malformed(uniform(seed));
      waiting.push(
        raw(port, Buffer.from(text, 'latin1'), { end: true }).then((answer) => {
          const status = statusOf(answer);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          if (status >= 500)
            throw new Error(`${status} for ${JSON.stringify(text.slice(0, 500))}: ${answer} ${server.log}`);
        }),
      );
      if (waiting.length < 32) return;
      await Promise.all(waiting);
      waiting = [];
    });
    await Promise.all(waiting);
    for (const status of [400, 403, 404, 405, 421])
      if (requests.count > 1) expect([...statuses.keys()]).toContain(status);
    expect((await server.ask('/healthz')).status).toBe(200);
    expect((await resident()) - before).toBeLessThan(growth);
    expect(server.log).toBe('');
  });

  it('gives errors as problem+json with a code, and says nothing of its files', async () => {
    for (const [method, place, body, status, code] of [
      ['GET', '/nowhere', undefined, 404, 'ERR_NOT_FOUND'],
      ['PUT', '/jobs', {}, 405, 'ERR_METHOD'],
      ['DELETE', '/events', undefined, 405, 'ERR_METHOD'],
      ['POST', '/jobs', { kind: 'mlp', steps: 'a' }, 400, 'ERR_ARGUMENT'],
      ['POST', '/jobs', { kind: 'merge', base: 'folder:x', models: ['folder:y'] }, 400, 'ERR_ARGUMENT'],
      ['POST', '/jobs', { kind: 'mlp', init: 'run:m0000000-00000000' }, 404, 'ERR_NOT_FOUND'],
      ['POST', '/jobs', { kind: 'a'.repeat(2 ** 20) }, 413, 'ERR_TOO_LARGE'],
    ] as const) {
      const answer = await server.ask(place, method, body);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(answer.body).toMatchObject({ status, code, type: `/errors#${code}` });
      expect(answer.status).toBe(status);
      expect(JSON.stringify(answer.body)).not.toContain(server.folder);
    }
    for (const name of ['constructor', 'toString', 'hasOwnProperty'])
      expect((await server.ask(`/jobs?${name}=1`)).status).toBeLessThan(500);
    const { id } = (await server.ask('/jobs?limit=1')).body.runs[0] ?? {
      id: await server.job({ kind: 'mlp', steps: 1 }),
    };
    for (const place of ['/events', '/%65vents', `/jobs/${id}/metrics.csv`, `/jobs/${id}/metrics%2Ecsv`])
      expect((await server.ask(place, 'HEAD')).status, place).toBe(405);
    expect((await server.ask('/page/tsconfig.json')).status).toBe(404);
    expect((await server.ask('/healthz', 'HEAD')).status).toBe(200);
    const missing = await server.job({ kind: 'mlp', data: 'nothing' });
    const { data } = await server.until(missing, ({ data: { state } }) => state === 'failed');
    expect(data).toMatchObject({ code: 'ERR_ARGUMENT', reason: 'there are no data of the name nothing' });
  });
});

describe('a server with small limits', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const limits = {
    ...standard,
    headTime: 300,
    requestTime: 600,
    clients: 2,
    waitingBytes: 200_000,
    drainTime: 300,
    leaveTime: 300,
    files: 2,
    ring: 20,
    connections: 40,
    runs: 6,
  };
  let store: Store;
  let streams: Streams;
  let port = 0;
  let close = () => {};
  beforeAll(async () => {
    store = await Store.open(folder, limits);
    const scheduler = new Scheduler(store, {});
    streams = new Streams(store);
    const door = { hosts: [], token: undefined, readOnly: false };
    const server = { store, scheduler, streams, limits, answers: new Map() };
    const http = await listen(server, { host: '127.0.0.1', port: 0, ...door });
    port = (http.address() as { port: number }).port;
    close = () => {
      http.close();
      http.closeAllConnections();
    };
  });
  afterAll(async () => {
    close();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('ends requests whose head or body does not come, and more connections than it takes', async () => {
    const head = 'POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const [slowHead, slowBody] = await Promise.all([raw(port, head), raw(port, `${head}Content-Length: 9\r\n\r\n{"a`)]);
    expect(statusOf(slowHead)).toBe(408);
    expect(slowHead).toContain('"code":"ERR_HTTP"');
    expect(statusOf(slowBody)).toBe(408);
    const sockets = await Promise.all(
      Array.from(
        { length: 100 },
        () =>
          new Promise<Socket>((resolve) => {
            const socket = connect(port, '127.0.0.1');
            socket.on('error', () => {});
            socket.once('connect', () => resolve(socket));
          }),
      ),
    );
    await expect
      .poll(() => sockets.filter((socket) => !socket.readableEnded && !socket.destroyed).length)
      .toBeLessThanOrEqual(40);
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(async () =>
        statusOf(await raw(port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')),
      )
      .toBe(200);
  });

  const get = (place: string, more = '') => `GET ${place} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
  const open = (bytes: string, options = {}) => {
    const socket = connect({ port, host: '127.0.0.1', ...options });
    socket.on('error', () => {});
    socket.write(bytes);
    return socket;
  };

  it('gives the places of streams back that were asked for in one piece', async () => {
    const socket = open(get('/events').repeat(10));
    socket.resume();
    await expect.poll(() => streams.size).toBe(1);
    socket.destroy();
    await expect.poll(() => streams.size).toBe(0);
  });

  it('sends files to clients that read, and drops others', async () => {
    const run = await store.create('mlp', {}, undefined);
    const columns = { loss: Array<number>(2000).fill(0.123456789) };
    for (let i = 0; i < 500; i++) await store.append(run, 'metrics', { first: 2000 * i + 1, columns });
    const csv = `/jobs/${run.id}/metrics.csv`;
    const begun = async () => {
      const socket = open(get(csv));
      const status = await new Promise<number>((resolve) =>
        socket.once('data', (piece) => resolve(statusOf(piece.toString()))),
      );
      socket.destroy();
      return status;
    };
    const slow = [1, 2].map(() => open(get(csv)).pause());
    await expect.poll(begun).toBe(429);
    expect(statusOf(await raw(port, get(`/jobs/${run.id}/metrics`, 'Connection: close\r\n')))).toBe(200);
    await expect.poll(begun, { timeout: 20_000 }).toBe(200);
    for (const socket of slow) socket.destroy();
    await store.remove(run);
  });

  it('lets go of clients that were told to leave and do not', async () => {
    const socket = open('GARBAGE\r\n\r\n', { allowHalfOpen: true });
    socket.resume();
    await new Promise((resolve) => socket.once('end', resolve));
    // Whoever writes to it then is told that nobody is there.
    await expect
      .poll(() => {
        if (!socket.destroyed) socket.write('more');
        return socket.destroyed;
      })
      .toBe(true);
  });

  it('gives runs of one millisecond on one page each', async () => {
    const now = Date.now;
    Date.now = () => 1_700_000_000_000;
    const made = [];
    try {
      for (let i = store.runs.length; i < limits.runs; i++) made.push((await store.create('mlp', {}, undefined)).id);
    } finally {
      Date.now = now;
    }
    const seen = [];
    for (let cursor = ''; cursor !== undefined; ) {
      const answer = await raw(port, get(`/jobs?limit=1${cursor}`, 'Connection: close\r\n'));
      const page = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
      seen.push(...page.runs.map((run: { id: string }) => run.id));
      cursor = page.cursor && `&cursor=${page.cursor}`;
    }
    expect(seen).toEqual(expect.arrayContaining(made));
    expect(new Set(seen).size).toBe(store.runs.length);
    for (const id of made) await store.remove(store.run(id));
  });

  it('drops a client that does not read, and tells one that comes too late so', async () => {
    const run = await store.create('mlp', {}, undefined);
    const slow = httpRequest({ port, path: '/events', headers: { Host: 'localhost' } }).end();
    slow.on('error', () => {});
    const response = await new Promise<import('node:http').IncomingMessage>((resolve) =>
      slow.once('response', resolve),
    );
    response.on('error', () => {});
    response.pause();
    const text = 'x'.repeat(50_000);
    let written = 0;
    while (streams.dropped === 0 && written++ < 1000) await store.append(run, 'progress', { progress: { text } });
    // Buffers of the two systems take some; then it ends.
    expect(written).toBeGreaterThan(4);
    expect(written).toBeLessThan(1000);
    await expect.poll(() => streams.size).toBe(0);
    slow.destroy();
    const late = raw(port, 'GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n');
    await expect.poll(() => streams.size).toBe(1);
    const future = raw(port, `GET /jobs/${run.id}/events?after=99999 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await expect.poll(() => streams.size).toBe(2);
    const third = await raw(port, 'GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(statusOf(third)).toBe(429);
    close();
    expect(await late).toContain(`event: resync\nid: ${store.ring.head}\ndata: {"from":1,"to":${store.ring.head}}`);
    expect(await future).toContain('event: resync');
  });

  it('keeps as many runs as it says', async () => {
    while (store.runs.length < limits.runs) await store.create('mlp', {}, undefined);
    await expect(store.create('mlp', {}, undefined)).rejects.toMatchObject({ code: 'ERR_LIMIT' });
  });
});

it('R22: as many idle connections as it says are held, the others and those in time ended, and a client answered meanwhile', {
  ...requests.tagged,
  timeout: 120_000,
}, async () => {
  const server = await new Server().start();
  const port = Number(new URL(server.url).port);
  const quiet = (): Socket => connect(port, '127.0.0.1').on('error', () => {});
  // A client that asks now and then keeps its connection.
  const client = quiet();
  const asking = setInterval(() => client.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'), 500);
  const idle: Socket[] = [];
  try {
    let answers = 0;
    client.on('data', (piece) => {
      answers += `${piece}`.match(/HTTP\/1\.1 200 /g)?.length ?? 0;
    });
    const answered = () => expect.poll(() => answers, { timeout: 20_000 }).toBeGreaterThan(answers + 1);
    await answered();
    let connected = 0;
    for (let i = 0; i < 1000; i++)
      idle.push(
        quiet()
          .once('connect', () => connected++)
          .resume(),
      );
    await expect.poll(() => connected, { timeout: 20_000 }).toBe(1000);
    const left = () => idle.filter((socket) => !socket.readableEnded && !socket.destroyed).length;
    await expect.poll(left, { timeout: 20_000 }).toBeLessThan(standard.connections);
    await answered();
    const begun = performance.now();
    // Nobody has sent a head within the time for one.
    await expect.poll(left, { timeout: 3 * standard.headTime }).toBe(0);
    expect(performance.now() - begun).toBeGreaterThan(standard.headTime / 4);
    expect((await server.ask('/healthz')).status).toBe(200);
    await answered();
  } finally {
    clearInterval(asking);
    for (const socket of [client, ...idle]) socket.destroy();
    await server.dispose();
  }
});

describe('a server beyond loopback', () => {
  it('needs a token, and asks for it', async () => {
    const weak = new Server(['--host', '0.0.0.0'], { ORTHOKIT_TOKEN: 'short' });
    await expect(weak.start()).rejects.toThrow('ORTHOKIT_TOKEN must have a token of 16 characters or more');
    await weak.dispose();
    const token = 'f2b0a7c1d9e84b3f';
    const server = new Server(['--host', '0.0.0.0', '--read-only'], { ORTHOKIT_TOKEN: token });
    try {
      await server.start();
      expect((await server.ask('/jobs')).body).toMatchObject({ status: 401, code: 'ERR_TOKEN' });
      expect((await server.ask('/jobs', 'GET', undefined, { Authorization: 'Bearer f2b0a7c1d9e84b30' })).status).toBe(
        401,
      );
      const own = { Authorization: `Bearer ${token}` };
      expect((await server.ask('/jobs', 'GET', undefined, own)).status).toBe(200);
      expect((await server.ask('/jobs', 'POST', { kind: 'mlp' }, own)).body).toMatchObject({
        status: 403,
        code: 'ERR_READ_ONLY',
      });
      expect((await server.ask('/')).headers.get('content-security-policy')).toContain("default-src 'self'");
    } finally {
      await server.dispose();
    }
  });
});
