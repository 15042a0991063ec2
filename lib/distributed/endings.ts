// Endings of the processes of a run, told in files: launchers of MPI may end with 0 though a process has failed.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const variable = 'ORTHOKIT_RUN_FOLDER';
let isTold = false;

/** Lets this process tell how it ends, where `orthokit run` has asked for it. */
export function tellEnding(): void {
  const folder = process.env[variable];
  if (!folder || isTold) return;
  isTold = true;
  const tell = (ending: string): void => {
    try {
      writeFileSync(path.join(folder, String(process.pid)), ending);
    } catch {
      // The run is over, and nobody asks any more.
    }
  };
  tell('none yet');
  process.on('exit', (code) => tell(String(code)));
}

/** The folder that processes with its `env` tell their endings in. */
export class Endings implements Disposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'orthokit-run-'));

  get env(): Readonly<Record<string, string>> {
    return { [variable]: this.#folder };
  }

  /** The exit code of one that has failed, 1 for one that was killed; 0 if there is none. */
  failure(): number {
    for (const process of readdirSync(this.#folder)) {
      const ending = readFileSync(path.join(this.#folder, process), 'utf8');
      if (ending !== '0') return Number(ending) || 1;
    }
    return 0;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
