// Devices: cpu
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Gpt } from '../../examples/gpt/model.mjs';
import { loadText, windows } from '../../examples/gpt/text.mjs';
import { writer } from '../../examples/gpt/write.mjs';
import { Device } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { onlyCpu } from '../support/devices.ts';

const script = path.join(import.meta.dirname, '..', '..', 'examples', 'gpt', 'train.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Trains a small network for 30 steps, saved at each tenth; `onStep` hears of each tenth before it is saved. */
function train(into: string, onStep: (step: number, child: ChildProcess) => void = () => {}) {
  const small = { steps: 30, every: 10, width: 16, blocks: 1, context: 16, batch: 4 };
  const options = Object.entries(small).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const child = spawn(process.execPath, [script, ...options, '--folder', path.join(folder, into)]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
    for (const [, step] of String(text).matchAll(/^step (\d+) of/gm)) onStep(Number(step), child);
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise<{ status: number | null; signal: string | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

const saved = (from: string) => {
  const at = (...names: string[]) => readFileSync(path.join(folder, from, ...names));
  const { name } = JSON.parse(at('latest.json').toString());
  return {
    state: JSON.parse(at(name, 'state.json').toString()) as { step: number; losses: number[] },
    model: at(name, 'model.safetensors'),
    optimizer: at(name, 'optimizer.safetensors'),
  };
};

describe.each(onlyCpu)('the GPT of letters', () => {
  it('reads Moby-Dick, and windows of it', () => {
    const { letters, train: text, test } = loadText();
    expect(new Set(letters).size).toBe(letters.length);
    expect(text.length + test.length).toBeGreaterThan(1_200_000);
    const start = [...'Call me Ishmael.'].map((letter) => letters.indexOf(letter));
    const at = [...text.keys()].find((i) => start.every((letter, j) => text[i + j] === letter))!;
    expect(at).toBeGreaterThan(0);
    const { ids, next } = windows(text, [at, at + 5], 4);
    expect([...ids].map((id) => letters[id]).join('')).toBe('Callme I');
    expect([...next].map((id) => letters[id]).join('')).toBe('all e Is');
  });

  it('writes texts side by side past the end of the context, the same again', async () => {
    const device = Device.open('cpu');
    const letters = [...'abcd '];
    const size = { letters: letters.length, width: 16, heads: 4, blocks: 2, context: 5 };
    const write = writer(new Gpt(nn.init(device, { seed: 1 }), size), letters);
    const options = { start: 'bad cab', length: 23, texts: 3, topK: 4 };
    const texts = await write(options);
    expect(texts).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^bad cab[abcd ]{23}$/)));
    expect(new Set(texts).size).toBe(3);
    expect(await write(options)).toEqual(texts);
    expect(await write({ ...options, length: 9 })).toEqual(texts.map((text) => text.slice(0, 16)));
    for (const start of ['', 'bed'])
      await expect(write({ start, length: 1 })).rejects.toThrow(`start must be of letters that the model knows, got`);
    await expect(write({ ...options, signal: AbortSignal.abort() })).rejects.toThrow('aborted');
    await device.close();
  });

  it('goes on after a kill to the same bits, draws its losses and writes', async () => {
    const whole = await train('whole');
    expect({ status: whole.status, stderr: whole.stderr }).toEqual({ status: 0, stderr: '' });
    expect(whole.stdout).toMatch(/\n\nThe whale [\s\S]{300}\n$/);
    expect(existsSync(path.join(folder, 'whole', 'loss.svg'))).toBe(true);
    const expected = saved('whole');
    expect(expected.state.losses).toHaveLength(30);
    expect(expected.state.losses.at(-1)!).toBeLessThan(expected.state.losses[0]!);

    const killed = await train('killed', (step, child) => {
      if (step === 20) child.kill('SIGKILL');
    });
    expect(killed.signal).toBe('SIGKILL');
    const again = await train('killed');
    expect(again.status).toBe(0);
    expect(again.stdout).toMatch(/Goes on after step [12]0\./);
    expect(saved('killed')).toEqual(expected);
  });
});
