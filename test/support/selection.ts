// Which test files a run takes: each says in a line of its own which devices it is for.
//
//     // Devices: cpu, cuda
//     // Axes: node, products
//
// vitest.config.ts reads the lines without running the files.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** `emulator` is a CUDA device whose emulator the test commands and questions. */
const devices = ['cpu', 'cuda', 'emulator'] as const;
/** `node`: what another version of Node.js could break. `products`: matrix products, which cuBLAS may do on CUDA. */
const axes = ['node', 'products'] as const;
type Word<T extends readonly string[]> = T[number];

/** The devices that a run may be for (ORTHOKIT_TEST_DEVICE), and what files for them declare. */
export const runs = {
  cpu: ['cpu'],
  /** The emulated device. */
  cuda: ['cuda', 'emulator'],
  /** A GPU: nobody can command it. */
  gpu: ['cuda'],
} as const satisfies Record<string, readonly Word<typeof devices>[]>;
export type RunDevice = keyof typeof runs;

export interface Declaration {
  devices: readonly Word<typeof devices>[];
  axes: readonly Word<typeof axes>[];
}

function words<T extends readonly string[]>(text: string, label: string, known: T): Word<T>[] | undefined {
  const lines = [...text.matchAll(new RegExp(`^// ${label}: (.+)$`, 'gm'))];
  if (lines.length === 0) return undefined;
  const found = lines.flatMap(([, line]) => line!.split(', '));
  const wrong = found.find((word, i) => !known.includes(word) || found.indexOf(word) !== i);
  if (lines.length > 1 || wrong !== undefined)
    throw new Error(`"// ${label}:" must be one line with some of ${known.join(', ')}, got ${found.join(', ')}`);
  return found;
}

/** The declaration in the text of a test file; undefined where it names no device. */
export function declarationOf(text: string): Declaration | undefined {
  const named = words(text, 'Devices', devices);
  return named && { devices: named, axes: words(text, 'Axes', axes) ?? [] };
}

/** The device of this process's tests. */
export function runDevice(): RunDevice {
  const word = process.env['ORTHOKIT_TEST_DEVICE'] || 'cpu';
  if (!Object.hasOwn(runs, word))
    throw new Error(`ORTHOKIT_TEST_DEVICE must be ${Object.keys(runs).join(', ')}, got ${word}`);
  return word as RunDevice;
}

/** The axis that the run is for, if it is for one (ORTHOKIT_TEST_AXIS). */
export function runAxis(): Word<typeof axes> | undefined {
  const word = process.env['ORTHOKIT_TEST_AXIS'];
  if (!word) return undefined;
  if (!(axes as readonly string[]).includes(word))
    throw new Error(`ORTHOKIT_TEST_AXIS must be ${axes.join(', ')}, got ${word}`);
  return word as Word<typeof axes>;
}

const folder = path.join(import.meta.dirname, '..');

/** Every test file by its path below test, with what it declares or why that cannot be read. */
export function testFiles(): { file: string; declared?: Declaration; wrong?: string }[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
  return names.sort().map((file) => {
    try {
      const declared = declarationOf(readFileSync(path.join(folder, file), 'utf8'));
      return declared ? { file, declared } : { file, wrong: 'has no line "// Devices: …"' };
    } catch (error) {
      return { file, wrong: (error as Error).message };
    }
  });
}

/** The files of this run. One that says nothing is taken, so that the reporter fails the run by its name. */
export function selectedFiles(): string[] {
  const [device, axis] = [runDevice(), runAxis()];
  return testFiles()
    .filter(({ declared }) => {
      if (!declared) return true;
      const asked: readonly string[] = runs[device];
      return declared.devices.some((name) => asked.includes(name)) && (!axis || declared.axes.includes(axis));
    })
    .map(({ file }) => file);
}

/** Those of them that ORTHOKIT_TEST_PATHS names, files and folders by their paths below test; without it all. */
export function askedFiles(): string[] {
  const paths = (process.env['ORTHOKIT_TEST_PATHS'] ?? '').split(' ').filter((name) => name !== '');
  const isBelow = (file: string, name: string) => file.startsWith(name) && /^(\/|\.|$)/.test(file.slice(name.length));
  return selectedFiles().filter((file) => paths.length === 0 || paths.some((name) => isBelow(file, name)));
}

/** True for a file that puts other modules in the place of the library's, or loads them again: others must not find them. */
export const changesModules = (file: string): boolean =>
  /\bvi\.(mock|doMock|resetModules)\b/.test(readFileSync(path.join(folder, file), 'utf8'));

/** The addon that commands the emulator: it lies beside the plug-in, and tests on an emulated device must not do without. */
export function controlAddon(): string {
  const plugin = process.env['ORTHOKIT_CUDA_PLUGIN'];
  if (!plugin)
    throw new Error('ORTHOKIT_TEST_DEVICE=cuda needs ORTHOKIT_CUDA_PLUGIN, the plug-in of the emulated device');
  const addon = path.join(path.dirname(path.resolve(plugin)), 'emulator_control.node');
  if (!existsSync(addon))
    throw new Error(`ORTHOKIT_TEST_DEVICE=cuda needs the emulator's control, and there is no ${addon}`);
  return addon;
}
