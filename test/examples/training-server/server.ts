// A server of its own for a test: a process that can be killed, on a port that was free.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { writeData } from './data.ts';

const script = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'training-server', 'serve.mjs');

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what the server says is what the tests are about
  body: any;
}

export interface Told {
  id: number;
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  data: any;
}

export class Server {
  readonly folder: string;
  url = '';
  log = '';
  #child: ChildProcess | undefined;
  readonly #options: readonly string[];
  readonly #env: Record<string, string>;
  /** Words before the command, such as those of a program that runs it elsewhere. */
  before: readonly string[] = [];

  constructor(options: readonly string[] = [], env: Record<string, string> = {}) {
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
    this.#options = options;
    this.#env = env;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  async start(): Promise<this> {
    const data = await writeData(this.folder);
    const options = ['--folder', path.join(this.folder, 'state'), '--data', data, '--port', '0', ...this.#options];
    const [program, ...words] = [...this.before, process.execPath, script, ...options] as [string, ...string[]];
    const child = spawn(program, words, { env: { ...process.env, ...this.#env } });
    this.#child = child;
    child.stderr.on('data', (text) => {
      this.log += text;
    });
    this.url = await new Promise((resolve, reject) => {
      let said = '';
      child.stdout.on('data', (text) => {
        said += text;
        const [, url] = /^(http:\/\/\S+)\/ with/m.exec(said) ?? [];
        if (url) resolve(url);
      });
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${this.log}`)));
    });
    return this;
  }

  /** Sends a signal, and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child!;
    this.#child = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }

  async dispose(): Promise<void> {
    if (this.#child) await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async ask(place: string, method = 'GET', body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const json = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const response = await fetch(`${this.url}${place}`, {
      method,
      headers: { ...json, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = text !== '' && /json(?!l)/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  async job(body: object): Promise<string> {
    const { status, body: run } = await this.ask('/jobs', 'POST', body);
    if (status !== 201) throw new Error(`no job: ${JSON.stringify(run)}`);
    return run.id;
  }

  /** Events of a run, or of all, after one that was seen, until the server or the reader ends them. */
  async *events(place: string, after?: number): AsyncGenerator<Told> {
    const headers = after === undefined ? {} : { 'Last-Event-ID': `${after}` };
    const leave = new AbortController();
    try {
      const response = await fetch(`${this.url}${place}`, { headers, signal: leave.signal });
      let rest = '';
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + piece).split('\n\n');
        rest = blocks.pop()!;
        for (const block of blocks) {
          const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)));
          if (fields.data) yield { id: Number(fields.id), type: fields.event, data: JSON.parse(fields.data) };
        }
      }
    } finally {
      leave.abort();
    }
  }

  /** Waits for the first event of a run that fits. */
  async until(id: string, fits: (event: Told) => boolean): Promise<Told> {
    for await (const event of this.events(`/jobs/${id}/events`)) if (fits(event)) return event;
    throw new Error(`no such event of ${id}`);
  }

  /** Waits for the state of a run, which may have been before. */
  async state(id: string, state: string): Promise<void> {
    const over = ['done', 'failed', 'cancelled'];
    const { data } = await this.until(
      id,
      ({ type, data: { state: now } }) => type === 'state' && (now === state || over.includes(now)),
    );
    if (data.state !== state) throw new Error(`the run is ${data.state}, not ${state}: ${data.reason} ${this.log}`);
  }
}

/** The numbers of a run's steps, by column, from its events. */
export function columnsOf(events: readonly Told[], job: string): Record<string, number[]> & { step: number[] } {
  const all: Record<string, number[]> & { step: number[] } = { step: [] };
  for (const { type, data } of events) {
    if (type !== 'metrics' || data.job !== job) continue;
    for (const [name, values] of Object.entries(data.columns as Record<string, number[]>))
      all[name] = [...(all[name] ?? []), ...values];
    all.step.push(...data.columns.loss.map((_: number, i: number) => data.first + i));
  }
  return all;
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
