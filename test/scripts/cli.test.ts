// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const cli = path.join(import.meta.dirname, '..', '..', 'scripts', 'cli.mjs');
const emptyFolder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));

function orthokit(args: string[], env: Record<string, string> = {}) {
  const run = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env: { ...process.env, ...env } });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

describe('orthokit info', () => {
  it('prints one JSON value that names the device and nothing else', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ node: process.versions.node, platform: `${process.platform}-${process.arch}` });
    expect(found.devices[0]).toMatchObject({ kind: 'cpu', name: expect.stringMatching(/./) });
  });

  it('exits 1 and says why when the required device cannot be had', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json', '--require', 'cuda'], {
      ORTHOKIT_DISABLE_CUDA: '1',
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(JSON.parse(stdout).unavailable.cuda).toContain('ORTHOKIT_DISABLE_CUDA');
  });

  it('exits 0 when it can', () => {
    expect(orthokit(['info', '--require', 'cpu']).status).toBe(0);
  });

  it('reports a missing binary as JSON with the command that makes one', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json'], { ORTHOKIT_PREBUILD: emptyFolder });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'ERR_NO_BINARY',
      message: expect.stringContaining('npx orthokit build'),
    });
  });
});

describe('usage', () => {
  it.each([[[]], [['bogus']], [['info', '--bogus']], [['info', '--require', 'gpu']]])('exits 2 for %j', (args) => {
    const { status, stdout, stderr } = orthokit(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('orthokit info');
  });

  it('is JSON where JSON was asked for', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json', '--bogus']);
    expect({ status, stderr }).toEqual({ status: 2, stderr: '' });
    expect(JSON.parse(stdout).error.message).toContain('--bogus');
  });

  it('lists the commands on --help', () => {
    const { status, stdout } = orthokit(['--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/orthokit info[\s\S]*orthokit build/);
  });
});

it('build names what is missing when there is no compiler', () => {
  const { status, stderr } = orthokit(['build'], { PATH: emptyFolder, CXX: '' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/CMake.*C\+\+20 compiler/);
});
