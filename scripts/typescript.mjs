// Writes dist/: declarations by tsc, a file for each of lib; JavaScript joined by rolldown, a file for each sub-path of
// the package and for the command line, and chunks of what they share, because loading a module costs more than its text.
// usage: node scripts/typescript.mjs
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';

const root = path.join(import.meta.dirname, '..');
const dist = path.join(root, 'dist');

/** dist/nn/index.js comes from lib/nn/index.ts. */
function entries() {
  const { exports, bin } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const built = [...Object.values(exports).map((target) => target.default ?? target), ...Object.values(bin)];
  const names = built.flatMap((file) => /^(?:\.\/)?dist\/(.*)\.js$/.exec(file)?.[1] ?? []);
  return Object.fromEntries(names.map((name) => [name, path.join(root, 'lib', `${name}.ts`)]));
}

rmSync(dist, { recursive: true, force: true });
const typescript = path.join('node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [typescript, '-p', '.', '--emitDeclarationOnly'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

const bundle = await rolldown({
  input: entries(),
  cwd: root,
  platform: 'node',
  external: /^node:/,
  transform: { target: 'es2022' },
});
/** All of lib/core in one chunk, and so on; as deep as there, because it looks for its binaries two folders above. */
const folderOf = (file) => /[\\/]lib[\\/](\w+)[\\/]/.exec(file)?.[1] ?? null;
const groups = [
  // Modules that the command line uses before it knows whether there is a binary.
  {
    debugName: 'light',
    name: 'light',
    test: /[\\/]methods[\\/](method|names)\.ts$|[\\/]helpers[\\/]|[\\/]distributed[\\/](internal|endings)\.ts$/,
    priority: 1,
  },
  { debugName: 'folder', name: folderOf, test: /[\\/]lib[\\/](?!cli[\\/])\w+[\\/]/ },
];
await bundle.write({
  dir: dist,
  format: 'esm',
  chunkFileNames: 'chunks/[name].js',
  codeSplitting: { groups },
  comments: false,
});
