#!/usr/bin/env node
// The command `orthokit`. Exit codes: 0 done, 1 failed, 2 wrong usage.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = path.join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

class UsageError extends Error {}

const commands = {
  info: {
    usage: 'orthokit info [--json] [--require cpu|cuda]',
    summary: 'what this machine offers; with --require, exit 1 when that device cannot be had',
    run: info,
  },
  build: {
    usage: 'orthokit build [cmake-js arguments, such as --CDORTHOKIT_BLAS=shared]',
    summary: 'compile the addon on this machine; it then goes before the one that was shipped',
    run: build,
  },
};

function help() {
  const lines = Object.values(commands).flatMap(({ usage, summary }) => [`  ${usage}`, `      ${summary}`]);
  return [`orthokit ${version}`, '', ...lines, '  orthokit --help | --version', ''].join('\n');
}

async function info(args) {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' }, require: { type: 'string' } } });
  if (values.require !== undefined && !['cpu', 'cuda'].includes(values.require)) {
    throw new UsageError(`--require must be cpu or cuda, got ${values.require}`);
  }
  const found = {
    orthokit: version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    system: `${os.type()} ${os.release()}`,
    devices: [],
    unavailable: {},
  };
  try {
    const { Device } = await import('../dist/index.js');
    for (const kind of ['cpu', 'cuda']) {
      const reason = Device.unavailable(kind);
      if (reason === undefined) found.devices.push(await describe(Device, kind));
      else found.unavailable[kind] = reason;
    }
  } catch (error) {
    found.error = { code: error.code, message: error.message };
  }
  console.log(values.json ? JSON.stringify(found) : asText(found));
  const missing = values.require !== undefined && !found.devices.some(({ kind }) => kind === values.require);
  return found.error || missing ? 1 : 0;
}

async function describe(Device, kind) {
  const device = Device.open(kind);
  try {
    return { kind, ...device.info };
  } finally {
    await device.close();
  }
}

function asText({ devices, unavailable, error, ...facts }) {
  const lines = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  const plain = (value) => (typeof value === 'object' ? JSON.stringify(value) : value);
  for (const { kind, ...details } of devices) {
    lines.push(`${kind}:`, ...Object.entries(details).map(([name, value]) => `  ${name}: ${plain(value)}`));
  }
  for (const [kind, reason] of Object.entries(unavailable)) lines.push(`${kind}: unavailable, ${reason}`);
  if (error) lines.push(`error: ${error.code ?? 'unknown'}, ${error.message}`);
  return lines.join('\n');
}

function build(args) {
  const onPath = (names) =>
    names.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined);
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  const missing = [
    ...(onPath(['cmake']) ? [] : ['CMake 3.22 or later']),
    ...(onPath(compilers) ? [] : ['a C++20 compiler']),
  ];
  if (missing.length > 0) {
    console.error(
      `orthokit build: missing ${missing.join(' and ')}.\n` +
        'It needs a C++20 compiler, CMake 3.22 or later and, for fast matrix products, OpenBLAS.\n' +
        'Debian and Ubuntu: apt install g++ cmake ninja-build libopenblas-serial-dev',
    );
    return 1;
  }
  const script = path.join(root, 'scripts', 'gyp-build.cjs');
  const result = spawnSync(process.execPath, [script, 'Release', ...args], { stdio: 'inherit' });
  return result.status === 0 ? 0 : 1;
}

function print(text) {
  console.log(text);
  return 0;
}

async function main([name, ...args]) {
  if (name === '--version') return print(version);
  if (name === '--help' || name === '-h') return print(help());
  if (name === undefined) throw new UsageError('no command');
  if (!Object.hasOwn(commands, name)) throw new UsageError(`no command ${name}`);
  const { usage, summary, run } = commands[name];
  return args.includes('--help') ? print(`${usage}\n    ${summary}`) : run(args);
}

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  const isUsage = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS_');
  if (words.includes('--json')) {
    const code = isUsage ? 'ERR_USAGE' : error.code;
    console.log(JSON.stringify({ error: { code, message: error.message } }));
  } else {
    console.error(isUsage ? `orthokit: ${error.message}\n\n${help()}` : `orthokit: ${error.message}`);
  }
  process.exitCode = isUsage ? 2 : 1;
}
