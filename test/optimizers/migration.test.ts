// Devices: cpu
// Checkpoints of earlier releases: one format version so far, but files of it that lack options and state of later ones.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { content, edited } from './checkpoints.ts';
import { type AnyOptimizer, bits, classes, gradsOf, shapesFor, stateBits, weightsOf } from './classes.ts';
import { code } from './each-class.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

const golden = path.join(import.meta.dirname, '..', 'golden');
const versions = new Map<number, string[]>();
for (const file of readdirSync(golden)) {
  const [, name, version] = /^([a-z0-9]+)-v(\d+)\.safetensors$/.exec(file) ?? [];
  if (name) versions.set(Number(version), [...(versions.get(Number(version)) ?? []), name]);
}
const headerOf = (bytes: Buffer): { __metadata__: Record<string, string> } =>
  JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())));

/** The version that this release writes. */
async function written(): Promise<number> {
  using folder = new Folder();
  const [, Class] = classes[0]!;
  await new Class([Tensor.zeros(device, [2, 2])]).save(folder.file('x'));
  return Number(headerOf(readFileSync(folder.file('x'))).__metadata__['version']);
}

it('files of each version up to the present one are kept, of every class', async () => {
  const all = Array.from({ length: await written() }, (_, i) => i + 1);
  expect([...versions.keys()].sort((a, b) => a - b)).toEqual(all);
  const names = classes.map(([name]) => name.toLowerCase()).sort();
  for (const version of all) expect(versions.get(version)!.sort(), `version ${version}`).toEqual(names);
});

/** Options that a file of an earlier release lacks and this one has a default for, by class. */
const later = new Map<string, string[]>();
const files = [...versions].flatMap(([version, names]) => names.map((name): [string, number] => [name, version]));

describe.each(files)('R6: %s of version %i', { tags: ['R6'] }, (file, version) => {
  it('gives options that came later their defaults', async () => {
    const [name, Class] = classes.find(([own]) => own.toLowerCase() === file)!;
    const at = path.join(golden, `${file}-v${version}.safetensors`);
    const parts = JSON.parse(headerOf(readFileSync(at)).__metadata__['content']!);
    const groups = parts[0].groups as { name: string; options: Record<string, unknown>; shapes: number[][] }[];
    const { schema } = new Class([Tensor.zeros(device, [2, 2])]).part();
    const optimizer = new Class(
      groups.map(({ name: group, options, shapes }) => ({
        ...{ name: group, params: shapes.map((shape) => Tensor.zeros(device, shape, { dtype: 'f64' })) },
        // Settled options, and a momentum, without which SGD has no state; the file brings the rest.
        ...Object.fromEntries(
          Object.entries(options).filter(([option]) => schema[option]!.fixed || option === 'momentum'),
        ),
      })),
      { lr: 0.5, nonFinite: 'skip' },
    );
    await optimizer.load(at);
    for (const [i, { options }] of groups.entries())
      for (const [option, { default: value }] of Object.entries(schema)) {
        const own = (optimizer.groups[i] as unknown as Record<string, unknown>)[option];
        if (Object.hasOwn(options, option)) expect(own, option).toEqual(options[option]);
        else {
          expect(own, option).toEqual(value);
          if (value !== undefined) later.set(name, [...new Set([...(later.get(name) ?? []), option])]);
        }
      }
  });
});

it('some options did come later', () => {
  expect(later.get('Muon')).toEqual(expect.arrayContaining(['nsScaling', 'layout']));
  expect(later.get('Conda')).toEqual(['layout']);
});

describe.each(classes)('%s', (_name, Class) => {
  it('goes on with the defaults of its class from a file that knows none of its options', async () => {
    using folder = new Folder();
    const shapes = shapesFor(device, Class);
    const [a, b] = [weightsOf(device, shapes), weightsOf(device, shapes)];
    const [one, two] = [new Class(a), new Class(b)] as [AnyOptimizer, AnyOptimizer];
    for (let step = 1; step <= 3; ++step) for (const each of [one, two]) each.step(gradsOf(device, shapes, step));
    await one.save(folder.file('x'));
    const old = edited(folder.file('x'), (header) =>
      content(header, (parts) => {
        parts[0].groups[0].options = {};
      }),
    );
    writeFileSync(folder.file('old'), old);
    const other = new Class(b, { lr: 0.5 });
    await other.load(folder.file('old'));
    expect(other.groups[0]!.lr).toBe(one.groups[0]!.lr);
    for (let step = 4; step <= 5; ++step) for (const each of [one, other]) each.step(gradsOf(device, shapes, step));
    expect(await bits(b)).toEqual(await bits(a));
    expect(await stateBits(other)).toEqual(await stateBits(one));
    // A version to come may mean anything.
    const version = String((await written()) + 1);
    const next = edited(folder.file('x'), ({ __metadata__: own }) => {
      own['version'] = version;
    });
    writeFileSync(folder.file('next'), next);
    await expect(other.load(folder.file('next'))).rejects.toThrow(code('ERR_STATE'));
  });
});
