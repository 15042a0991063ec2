// The CUDA plug-in as nvcc built it for a release (preset cuda-release): it opens, and where it cannot run it says why.
// That the architectures which share a pass of nvcc's front end may do so, and that device code compiles for the oldest and
// the newest. And what ORTHOKIT_CUDA=AUTO builds: nothing where no GPU is, else this machine's architectures.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');
const work = mkdtempSync(path.join(os.tmpdir(), 'orthokit-cuda-'));
const failures = [];

function expect(what, isTrue, got) {
  if (!isTrue) failures.push(`${what}, got ${got}`);
}

function run(command, args, env) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, text: `${stdout}${stderr}` };
}

function checkPlugin() {
  const plugin = path.join(root, 'build', 'cuda-release', 'orthokit_cuda.so');
  const { status, text } = run(process.execPath, ['dist/cli/main.js', 'info', '--json'], {
    ORTHOKIT_CUDA_PLUGIN: plugin,
    ORTHOKIT_DISABLE_CUDA: '',
  });
  expect('orthokit info exits with 0', status === 0, `${status}: ${text}`);
  const { devices, unavailable } = JSON.parse(text);
  if (devices.some(({ kind }) => kind === 'cuda')) return;
  // The loader's own search, as the CUDA runtime asks it.
  const hasDriver = /libcuda\.so\.1 /.test(run('/sbin/ldconfig', ['-p']).text);
  const reasons = hasDriver ? /no CUDA device|driver is too old|compute capability/ : /^there is no NVIDIA driver$/;
  expect(`the reason is one of ${reasons}`, reasons.test(unavailable.cuda), unavailable.cuda);
}

/** The architectures that AUTO takes where nvidia-smi prints these lines; undefined for no plug-in. */
function architecturesFor(capabilities) {
  const tool = path.join(work, 'nvidia-smi');
  const lines = capabilities.map((capability) => `echo ${capability}`);
  writeFileSync(tool, ['#!/bin/sh', ...lines, capabilities.length > 0 ? '' : 'exit 9'].join('\n'));
  chmodSync(tool, 0o755);
  const build = path.join(work, `build ${capabilities}`);
  const { status, text } = run('cmake', ['-S', root, '-B', build, '-G', 'Ninja', '-DORTHOKIT_CUDA=AUTO'], {
    PATH: `${work}:${process.env.PATH}`,
  });
  expect('cmake exits with 0', status === 0, text);
  return /CUDA plug-in for (\S+)/.exec(text)?.[1];
}

function checkAuto() {
  for (const [capabilities, architectures] of [
    [[], undefined],
    [['9.0', '9.0'], '90-real'],
    [['8.6', '12.0'], '86-real;120-real'],
    [['99.9'], '75-real;80-real;86-real;90-real;100-real;120'],
  ]) {
    const found = architecturesFor(capabilities);
    expect(`AUTO for GPUs [${capabilities}] builds ${architectures}`, found === architectures, found);
  }
}

/** Architectures that CI leaves out of the plug-in, by kernels that use all device functions which ask for one. */
function checkOtherArchitectures() {
  const folder = path.join(root, 'test', 'cuda-emulator');
  const includes = [path.join(root, 'native'), path.join(folder, 'src')].map((name) => `-I${name}`);
  for (const architecture of ['sm_75', 'sm_120'])
    for (const name of ['kernels', 'bugs']) {
      const out = path.join(work, `${name}-${architecture}.cubin`);
      const options = ['-std=c++20', '--expt-relaxed-constexpr', '--fmad=false', `-arch=${architecture}`, '-cubin'];
      const source = path.join(folder, 'tests', `${name}.cu`);
      const { status, text } = run('nvcc', [...includes, ...options, '-o', out, source]);
      expect(`${name}.cu compiles for ${architecture}`, status === 0, text);
    }
}

/** A pass for 8.0 serves 9.0, too, and one for 10.0 serves 12.0: no kernel asks for more than the oldest of a pass has. */
function checkPasses() {
  const folder = path.join(root, 'native');
  for (const file of readdirSync(folder, { recursive: true }).filter((name) => /\.(cuh?|h|cpp)$/.test(name))) {
    for (const [line, asked] of readFileSync(path.join(folder, file), 'utf8').matchAll(
      /.*__CUDA_ARCH__\s*[<>=!]+(.*)/g,
    ))
      expect(`${file} asks for compute capability 8.0 alone`, /^\s*800\b/.test(asked), line.trim());
  }
}

try {
  checkPlugin();
  checkPasses();
  checkOtherArchitectures();
  checkAuto();
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const failure of failures) console.error(failure);
console.log(`cuda-build: ${failures.length === 0 ? 'passed' : 'failed'}`);
if (failures.length > 0) process.exitCode = 1;
