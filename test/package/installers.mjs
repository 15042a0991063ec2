// The package as pnpm, Yarn and a bundler take it: installed without scripts and without a compiler, from folders in which
// nothing can be written, with dependencies where each of them puts them.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// Those that still run on Node.js 20.
const tools = ['pnpm@10', 'yarn@1', '@yarnpkg/cli-dist@4', 'esbuild@0'];

/** Puts them into a folder, where npm has the registry. */
function fetchTools(folder, npm) {
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  execFileSync(process.execPath, [npm, 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...tools], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Takes from everybody, or gives back, the right to write in a folder and below. */
function setWritable(folder, writable) {
  chmodSync(folder, writable ? 0o755 : 0o555);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isDirectory()) chmodSync(path.join(entry.parentPath, entry.name), writable ? 0o755 : 0o555);
}

/**
 * Throws where an install or a bundle does not take an optimizer step. `dependencies` are the tarballs of orthokit's own
 * ones, by name; `env` has a PATH with Node.js alone.
 */
export function checkInstallers({ tarball, dependencies, work, npm, env }) {
  const all = path.join(work, 'tools');
  fetchTools(all, npm);
  const tool = (...parts) => path.join(all, 'node_modules', ...parts);
  const use = path.join(import.meta.dirname, 'use.mjs');
  // Rights mean nothing to root.
  const nobody = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
  chmodSync(work, 0o755);

  const run = (what, args, cwd, more = {}, user = {}) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd,
      encoding: 'utf8',
      env: { ...env, ...more },
      ...user,
    });
    if (status !== 0) throw new Error(`${what} says\n${stdout}${stderr}`);
    return stdout;
  };
  /** An empty folder with these fields of package.json. */
  const project = (name, fields) => {
    const folder = path.join(work, name);
    mkdirSync(folder);
    const own = { name: 'app', version: '1.0.0', private: true, dependencies: { orthokit: `file:${tarball}` } };
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ ...own, ...fields }));
    copyFileSync(use, path.join(folder, 'use.mjs'));
    return folder;
  };
  const files = Object.fromEntries(Object.entries(dependencies).map(([name, file]) => [name, `file:${file}`]));

  const pnpm = project('with pnpm', { pnpm: { overrides: files } });
  run('pnpm', [tool('pnpm', 'bin', 'pnpm.cjs'), 'install', '--ignore-scripts', '--offline'], pnpm);
  run('use.mjs by pnpm', ['use.mjs'], pnpm);
  const modules = path.join(pnpm, 'node_modules');
  setWritable(modules, false);
  try {
    run('use.mjs in a node_modules that cannot be written', ['use.mjs'], pnpm, {}, nobody);
  } finally {
    setWritable(modules, true);
  }

  const classic = project('with yarn', { resolutions: files });
  run('Yarn 1', [tool('yarn', 'bin', 'yarn.js'), 'install', '--ignore-scripts', '--offline'], classic, {
    YARN_CACHE_FOLDER: path.join(work, 'yarn cache'),
  });
  run('use.mjs by Yarn 1', ['use.mjs'], classic);

  // Its archives are read by a loader of its own; what has a binary is unpacked.
  const plugAndPlay = project('with pnp', { resolutions: files });
  writeFileSync(path.join(plugAndPlay, 'yarn.lock'), '');
  const yarn = tool('@yarnpkg', 'cli-dist', 'bin', 'yarn.js');
  const settings = {
    YARN_ENABLE_SCRIPTS: '0',
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_IMMUTABLE_INSTALLS: '0',
    YARN_GLOBAL_FOLDER: path.join(work, 'berry'),
  };
  run('Yarn 4', [yarn, 'install'], plugAndPlay, { ...settings, YARN_ENABLE_NETWORK: '0' });
  run('use.mjs by Yarn 4', [yarn, 'node', 'use.mjs'], plugAndPlay, settings);

  // A bundle beside the binary's folder, without node_modules.
  const bundled = path.join(work, 'bundled');
  mkdirSync(bundled);
  const build = `
    const { buildSync } = require(process.argv[1]);
    const options = { bundle: true, platform: 'node', format: 'esm', logLevel: 'error' };
    buildSync({ ...options, entryPoints: ['bundle.mjs'], outfile: process.argv[2] });`;
  writeFileSync(
    path.join(pnpm, 'bundle.mjs'),
    `import { AuON, Device, Tensor } from 'orthokit';
const device = Device.open('cpu');
const weights = Tensor.full(device, [4, 4], 1);
new AuON([weights], { lr: 0.1 }).step([Tensor.full(device, [4, 4], 1)]);
if ((await weights.read())[0] === 1) throw new Error('nothing was changed');
await device.close();
`,
  );
  run('esbuild', ['-e', build, tool('esbuild'), path.join(bundled, 'bundle.mjs')], pnpm);
  cpSync(path.join(pnpm, 'node_modules', 'orthokit', 'prebuilds'), path.join(bundled, 'prebuilds'), {
    recursive: true,
    dereference: true,
  });
  rmSync(modules, { recursive: true });
  run('a bundle of esbuild', ['bundle.mjs'], bundled, { ORTHOKIT_PREBUILD: bundled });
}
