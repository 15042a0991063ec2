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

  constructor(kind: Kind) {
    this.#child = fork(path.join(import.meta.dirname, 'child.mjs'), [kind], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async tell(order: object): Promise<Answer> {
    this.#child.send(order);
    const [answer] = await Promise.race([
      once(this.#child, 'message'),
      once(this.#child, 'exit').then(([code, signal]) =>
        Promise.reject(new Error(`the peer ended: ${signal ?? code}`)),
      ),
    ]);
    return answer;
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
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
