// npm pack and npm publish run this first: a package without dist/ or without a binary is refused.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const missing = [];
if (!['index.js', 'index.d.ts', 'cli/main.js'].every((file) => existsSync(path.join(root, 'dist', file))))
  missing.push('dist/ is not built: bash scripts/run.sh build');

const prebuilds = path.join(root, 'prebuilds');
const binaries = existsSync(prebuilds) ? readdirSync(prebuilds, { recursive: true }) : [];
if (!binaries.some((file) => /orthokit\..*node$/.test(file)))
  missing.push('prebuilds/ holds no binary: npm run prebuilds');
for (const text of missing) console.error(`orthokit cannot be packed, ${text}`);
if (missing.length > 0) process.exit(1);
if (!binaries.some((file) => file.endsWith('orthokit_cuda.so')))
  console.error(
    'orthokit: packed for the CPU alone, as prebuilds/ holds no CUDA plug-in (npm run prebuilds with nvcc)',
  );
if (!binaries.some((file) => /^linux-arm64[\\/]orthokit\..*node$/.test(file)))
  console.error(
    'orthokit: packed without a binary for arm64 (npm run prebuilds where the cross compiler g++-aarch64-linux-gnu is)',
  );
