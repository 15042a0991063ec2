// How busy the machine is with others, as another process sees it: what the process under test does to its own threads and
// its event loop is no excuse for it.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds on the clock that all processes share. */
export const clock = (): number => Number(process.hrtime.bigint()) / 1e6;

export class Machine {
  readonly #child: ChildProcess;
  /** Turns of the other process that took longer than the best: when they ended, and what they lost. */
  readonly #turns: { end: number; lost: number }[] = [];
  #ended = false;

  private constructor() {
    const script = path.join(import.meta.dirname, '..', 'soak', 'children', 'machine.mjs');
    this.#child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let rest = '';
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const [end, lost] = line.split(' ').map(Number) as [number, number];
        this.#turns.push({ end, lost });
      }
    });
    this.#child.on('exit', () => (this.#ended = true));
  }

  /** Ready once the other process has found out what its turns take. */
  static async start(): Promise<Machine> {
    const machine = new Machine();
    await machine.#until(clock());
    return machine;
  }

  /** The id of the other process. */
  get pid(): number {
    return this.#child.pid!;
  }

  async #until(time: number): Promise<void> {
    while ((this.#turns.at(-1)?.end ?? 0) < time) {
      if (this.#ended) throw new Error('the process that watches the machine has ended');
      await sleep(2);
    }
  }

  /** Milliseconds that the other process lost between two times. */
  async lost(from: number, to: number): Promise<number> {
    const [sum] = await this.lostIn([[from, to]]);
    return sum!;
  }

  /** The same for several stretches of time, in order. */
  async lostIn(stretches: readonly (readonly [from: number, to: number])[]): Promise<number[]> {
    if (stretches.length === 0) return [];
    await this.#until(stretches.at(-1)![1]);
    let first = 0;
    const sums = stretches.map(([from, to]) => {
      while (first < this.#turns.length && this.#turns[first]!.end <= from) first++;
      let sum = 0;
      for (let i = first; i < this.#turns.length; i++) {
        const { end, lost } = this.#turns[i]!;
        if (end - lost >= to) break;
        sum += Math.max(0, Math.min(end, to) - Math.max(end - lost, from));
      }
      return sum;
    });
    return sums;
  }

  /** Drops what lies before a time that nobody will ask for again. */
  forget(before: number): void {
    const first = this.#turns.findIndex(({ end }) => end > before);
    if (first > 0) this.#turns.splice(0, first);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
