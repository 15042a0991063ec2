// Packages of npm that are too large for all who install the repository: each is installed in a temporary folder for the work that reads it
// (ORTHOKIT_PEERS names a folder with those that are kept).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * The result of `read` for a package, before its folder is gone.
 *
 * @template T
 * @param {string} name @param {string} version @param {(require: NodeJS.Require) => T} read gets the `require` of the folder
 * @returns {T}
 */
export function withPackage(name, version, read) {
  const requireOf = (/** @type {string} */ folder) => createRequire(path.join(folder, 'any.js'));
  const kept = process.env.ORTHOKIT_PEERS;
  if (kept) return read(requireOf(kept));
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', `${name}@${version}`], { stdio: 'ignore' }); // biome-ignore format: one line
    return read(requireOf(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
