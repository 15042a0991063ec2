// Another process with tensors of its own: child.mjs.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Dtype, SharedHandle } from '../../lib/index.ts';
import type { Kind } from '../support/devices.ts';

export interface Answer {
  code?: string;
  message?: string;
  handle: SharedHandle;
  values: number[];
  dtype: Dtype;
  shape: number[];
  live: number;
}

export class Peer {
  readonly #child: ChildProcess;
  #resolve: ((answer: Answer) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  constructor(kind: Kind) {
    this.#child = fork(path.join(import.meta.dirname, 'child.mjs'), [kind], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer: Answer) => this.#resolve?.(answer));
    this.#child.on('exit', (code, signal) => this.#reject?.(new Error(`the peer ended: ${signal ?? code}`)));
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  tell(order: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      [this.#resolve, this.#reject] = [resolve, reject];
      this.#child.send(order);
    });
  }

  /** The handle of values of f32. */
  async share(values: readonly number[]): Promise<SharedHandle> {
    return (await this.tell({ make: { values, shape: [values.length], dtype: 'f32' } })).handle;
  }

  async read(): Promise<number[]> {
    return (await this.tell({ read: true })).values;
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (this.ended) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** A process that serves one test after another, until one of them kills it. */
export function lastingPeer(kind: Kind): { one(): Peer; kill(): Promise<void> } {
  let peer: Peer | undefined;
  return {
    one() {
      if (peer === undefined || peer.ended) peer = new Peer(kind);
      return peer;
    },
    async kill() {
      await peer?.kill();
    },
  };
}
