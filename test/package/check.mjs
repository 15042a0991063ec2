// The package as users get it: binaries, tarball, an install that runs no script, asks no server and finds no compiler,
// then an optimizer step from ESM and from CommonJS, and the types by the compilers of several years; what other installers
// and a bundler make of it; what it says where no binary fits.
// usage: node test/package/check.mjs [--release] [node…]: further versions of Node.js that take the step.
//   --release: of the binaries that are there, on both platforms; and one compiled from the tarball
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { releaseVersions } from '../../scripts/jobs/ci.mjs';
import { need } from '../../scripts/need.mjs';
import { checkInstallers } from './installers.mjs';
import { tooLarge } from './limits.mjs';
import { compilerOptions, writeAllSubPaths, writeProject, writeRequires, writeSubPaths } from './strict.mjs';

const isRelease = process.argv[2] === '--release';
const nodes = process.argv.slice(isRelease ? 3 : 2);
const root = path.join(import.meta.dirname, '..', '..');
const work = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'orthokit package ')));
const app = path.join(work, 'app');
const bin = path.join(work, 'bin');
mkdirSync(app);
mkdirSync(bin);
symlinkSync(process.execPath, path.join(bin, 'node'));
const npm = realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());

const env = {
  HOME: work,
  PATH: bin,
  npm_config_cache: path.join(work, 'cache'),
  npm_config_update_notifier: 'false',
};

function assert(condition, message) {
  if (!condition) throw new Error(message);
}

function inApp(file, args) {
  return execFileSync(file, args, { cwd: app, encoding: 'utf8', stdio: 'pipe', env });
}

/** Runs a script in the app; what it prints on stderr, a warning for example, is a failure. */
function runInApp(script, node, ...words) {
  copyFileSync(path.join(import.meta.dirname, script), path.join(app, script));
  const { status, stdout, stderr } = spawnSync(node, [...words, script], { cwd: app, encoding: 'utf8', env });
  assert(status === 0 && stderr === '', `${script} on ${[node, ...words].join(' ')} says\n${stdout}${stderr}`);
}

function pack(folder) {
  const [{ filename, files, size }] = JSON.parse(
    execFileSync(process.execPath, [npm, 'pack', folder, '--json', '--ignore-scripts', '--pack-destination', work], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  return { tarball: path.join(work, filename), files: files.map((file) => file.path), sizes: files, size };
}

const hasPlugin = (files) => files.some((file) => /^prebuilds\/.*\/orthokit_cuda\.so$/.test(file));

function checkFiles(files) {
  const need = ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'CMakeLists.txt', 'scripts/gyp-build.cjs'];
  for (const file of need) assert(files.includes(file), `the tarball lacks ${file}`);
  assert(
    files.some((file) => /^prebuilds\/.*\/orthokit\..*node$/.test(file)),
    'the tarball lacks the addon',
  );
  const has = (file) => files.includes(`prebuilds/${file}`);
  for (const [tool, file] of [
    ['nvcc', 'linux-x64/orthokit_cuda.so'],
    ['aarch64-linux-gnu-g++', 'linux-arm64/orthokit.glibc.node'],
  ]) {
    const isDue = isRelease || spawnSync(tool, ['--version']).status === 0;
    assert(has(file) === isDue, `${tool} ${isDue}, ${file} in the tarball ${has(file)}`);
  }
  // With binding.gyp in the tarball npm would run node-gyp at install.
  const unwanted = files.filter((file) => /^(binding\.gyp|build|test|node_modules)(\/|$)/.test(file));
  assert(unwanted.length === 0, `the tarball holds ${unwanted}`);
}

/** The addon of arm64 in the Node.js of arm64, by qemu. */
function checkOnArm64() {
  const [version] = releaseVersions;
  const step = (...words) => execFileSync('bash', ['scripts/jobs/steps.sh', ...words], { cwd: root, encoding: 'utf8' });
  step('install_node_on_arm64', version);
  const qemu = execFileSync('which', ['qemu-aarch64'], { encoding: 'utf8' }).trim();
  const words = ['-L', '/usr/aarch64-linux-gnu', step('node_on_arm64', version).trim()];
  for (const script of ['use.mjs', 'use.cjs']) runInApp(script, qemu, ...words);
}

/** Our TypeScript, and those of other years from the registry. */
function compilers() {
  const others = ['5.4', '5.7', '5.9', '7.0'];
  const folder = path.join(work, 'compilers');
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const aliases = others.map((version) => `typescript-${version}@npm:typescript@${version}`);
  execFileSync(process.execPath, [npm, 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...aliases], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tsc = (name) => path.join('node_modules', name, 'bin', 'tsc');
  return [
    ['6.0', path.join(root, tsc('typescript'))],
    ...others.map((version) => [version, path.join(folder, tsc(`typescript-${version}`))]),
  ];
}

/** Without the binaries the package says what to do, and does it where there is a compiler. */
function checkWithoutBinary(command) {
  const installed = path.join(app, 'node_modules', 'orthokit');
  renameSync(path.join(installed, 'prebuilds'), path.join(work, 'prebuilds'));
  const script = `import('orthokit').then(() => process.exit(1), ({ code, message }) => console.log(code, message))`;
  const said = inApp(process.execPath, ['-e', script]);
  assert(/^ERR_NO_BINARY .*npx orthokit build/.test(said), `without a binary, import says ${said}`);
  const { status, stderr } = spawnSync(command, ['build'], { cwd: app, encoding: 'utf8', env });
  assert(
    status === 1 && /missing CMake .* and a C\+\+20 compiler/.test(stderr),
    `without a compiler, build says ${stderr}`,
  );
  if (!isRelease) return;
  env.PATH = process.env.PATH;
  symlinkSync(path.join(root, 'node_modules', 'cmake-js'), path.join(app, 'node_modules', 'cmake-js'));
  // One set of kernels: what is looked at is that the tarball holds all that a build needs.
  const result = spawnSync(command, ['build', '--CDORTHOKIT_ISA_VARIANTS=OFF'], {
    cwd: app,
    encoding: 'utf8',
    env,
  });
  assert(result.status === 0, `orthokit build says\n${result.stdout}${result.stderr}`);
  runInApp('use.mjs', process.execPath);
}

try {
  need('build');
  if (!isRelease)
    execFileSync('npm', ['run', '--silent', 'prebuilds', '--', '--as-built'], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  const orthokit = pack('.');
  checkFiles(orthokit.files);
  const large = tooLarge(orthokit.sizes, orthokit.size, isRelease, root);
  assert(large.length === 0, large.join('\n'));
  // The dependencies come as tarballs too, so that the install can be cut off from the registry.
  const { dependencies: names } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const own = Object.fromEntries(Object.keys(names).map((name) => [name, pack(`./node_modules/${name}`).tarball]));
  const dependencies = Object.values(own);

  writeFileSync(path.join(app, 'package.json'), '{ "private": true }');
  const install = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  inApp(process.execPath, [npm, ...install, orthokit.tarball, ...dependencies]);
  const installed = readdirSync(path.join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
  assert(installed.sort().join() === 'node-addon-api,node-gyp-build,orthokit', `installed ${installed}`);

  for (const node of [process.execPath, ...nodes]) {
    runInApp('use.mjs', node);
    runInApp('use.cjs', node);
  }
  if (orthokit.files.includes('prebuilds/linux-arm64/orthokit.glibc.node')) checkOnArm64();

  const command = path.join(app, 'node_modules', '.bin', 'orthokit');
  const info = JSON.parse(inApp(command, ['info', '--json']));
  assert(info.devices?.[0]?.kind === 'cpu', `orthokit info says ${JSON.stringify(info)}`);
  // The plug-in was found in the package: what it lacks, if anything, is a driver or a device.
  const isMissing = /no CUDA plug-in/.test(info.unavailable.cuda ?? '');
  assert(isMissing !== hasPlugin(orthokit.files), `orthokit info says ${JSON.stringify(info)}`);

  copyFileSync(path.join(import.meta.dirname, 'models.mjs'), path.join(app, 'models.mjs'));
  inApp(process.execPath, ['models.mjs']);
  const folders = ['--base', 'base', '--donor', 'donor', '--out', 'new'];
  const report = JSON.parse(inApp(command, ['transplant', ...folders, '-k', '2', '--device', 'cpu', '--json']));
  assert(report.match.exact === 2, `orthokit transplant says ${JSON.stringify(report)}`);
  assert(readdirSync(path.join(app, 'new')).includes('tokenizer.json'), 'the new model has no tokenizer');
  const { results } = JSON.parse(inApp(command, ['bench', 'gemm', '--small', '--seconds', '0.01', '--json']));
  assert(results.length > 0, 'orthokit bench has no results');

  const blocks = [...writeProject(app), writeAllSubPaths(app)];
  const subPaths = writeSubPaths(app);
  const required = writeRequires(app);
  for (const file of ['types.mts', 'types.cts'])
    copyFileSync(path.join(import.meta.dirname, file), path.join(app, file));
  for (const [version, tsc] of compilers()) {
    // Since 5.8 what CommonJS requires may be a module.
    const all = [...blocks, 'types.mts', ...(Number.parseFloat(version) < 5.8 ? [] : ['types.cts', required])];
    // Each sub-path by itself: the versions between read a package as those beside them do, and ours has in docs.test.ts.
    const alone = ['5.7', '5.9', '6.0'].includes(version) ? [] : subPaths.map((name) => [name]);
    for (const files of [all, ...alone]) {
      writeFileSync(path.join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', '.'], { cwd: app, encoding: 'utf8', env });
      assert(status === 0, `TypeScript ${version} says\n${stdout}`);
    }
  }
  checkInstallers({ tarball: orthokit.tarball, dependencies: own, work, npm, env });
  checkWithoutBinary(command);
  console.log(`package: passed, ${(orthokit.size / 1e6).toFixed(1)} MB`);
} catch (error) {
  console.error(`package: ${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
