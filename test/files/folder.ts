import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A folder of its own for one test, removed when the test's block ends. */
export class Folder {
  readonly path: string = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  file(name: string): string {
    return path.join(this.path, name);
  }
  get names(): string[] {
    return readdirSync(this.path).sort();
  }
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
