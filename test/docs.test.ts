// Devices: cpu
// Every block of README, guides and CONTRIBUTING is run or checked: TypeScript runs as it stands, importing the built
// package under its own name; C++ compiles; Python can be read; commands name scripts, presets, operations, fields and
// options that exist; JSON is what the bench prints.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { openapi } from '../examples/training-server/http/openapi.mjs';
import { native } from '../lib/core/native.ts';
import { Device } from '../lib/index.ts';
import { compilerOptions, writeProject, writeSubPaths } from './package/strict.mjs';
import {
  blocks,
  files,
  folderOfBlocks,
  moduleOf,
  outputsOf,
  printedBy,
  printedOutputs,
  read,
  root,
} from './support/guides.ts';

const folder = folderOfBlocks();
afterAll(() => rmSync(folder, { recursive: true }));

it('no block is in a language that nothing checks', () => {
  const languages = files.flatMap((file) => [...read(file).matchAll(/^```(\w+)$/gm)].map(([, language]) => language));
  expect(new Set(languages)).toEqual(new Set(['ts', 'cpp', 'sh', 'json', 'py']));
});

describe('links lead somewhere', () => {
  const anchorOf = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-');
  const anchorsOf = (file: string): string[] =>
    [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
  const links = [...files, 'SECURITY.md'].flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']): [string, string] => [file, link]),
  );
  it.each(links)('%s: %s', (file, link) => {
    const [to = '', anchor] = link.split('#');
    const target = to === '' ? file : path.join(path.dirname(file), to);
    expect(existsSync(path.join(root, target)), target).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor);
  });
});

// The reference in CONTRIBUTING is a module for tests, and imports nothing.
describe('TypeScript runs, and prints what its comments say', () => {
  it.each(blocks('ts'))('%s, line %i', (...block) => {
    expect(printedOutputs(printedBy(moduleOf(folder, block)))).toEqual(outputsOf(block[2]));
  });

  // Other compilers, and the package as it is packed: test/package/check.mjs.
  it('compiles where the compiler is strict and knows nothing but our types', () => {
    const project = mkdtempSync(path.join(folder, 'strict-'));
    const { options } = ts.convertCompilerOptionsFromJson(compilerOptions, project);
    // Each file is read once for all programs.
    const host = ts.createCompilerHost(options);
    const sources = new Map<string, ts.SourceFile | undefined>();
    const { getSourceFile } = host;
    host.getSourceFile = (name, ...how) => {
      if (!sources.has(name)) sources.set(name, getSourceFile(name, ...how));
      return sources.get(name);
    };
    const roots: string[][] = [writeProject(project), ...writeSubPaths(project).map((name: string) => [name])];
    const found = roots.flatMap((names) => {
      const program = ts.createProgram(
        names.map((name) => path.join(project, name)),
        options,
        host,
      );
      return ts.getPreEmitDiagnostics(program);
    });
    const told = found.map((one) => `${one.file?.fileName}: ${ts.flattenDiagnosticMessageText(one.messageText, ' ')}`);
    expect(told).toEqual([]);
  });

  it('some of them say so', () => {
    const all = blocks('ts').flatMap(([, , code]) => outputsOf(code));
    expect(all.length).toBeGreaterThanOrEqual(15);
    expect(outputsOf('console.log(a); // 1 (b)\nconsole.log(c); // (d)\nconsole.log(e);')).toEqual([[0, '1']]);
  });
});

describe('Python', () => {
  it.each(blocks('py'))('%s, line %i: can be read', (_file, _line, code) => {
    execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: code, stdio: 'pipe' });
  });

  const besides = blocks('py').filter(([file]) => file === path.join('docs', 'guide', 'from-pytorch.md'));
  it.each(besides)('%s, line %i: the same in TypeScript follows', (file, line) => {
    const rest = read(file)
      .split('\n')
      .slice(line - 1)
      .join('\n');
    expect(rest.slice(rest.indexOf('\n```\n'))).toMatch(/^\n```\n\n```ts\n/);
  });
});

describe('the page that helps to choose', () => {
  const page = read('docs/guide/choosing.md');
  const rows = [...read('docs/systems.md').matchAll(/^\| (\d+) \|.*$/gm)];
  it.each(rows.map(([row, number]) => [Number(number), row] as const))(
    'has row %i, by a name of the row',
    (number, row) => {
      const lines = page.split('\n').filter((line) => line.includes(`[${number}](../systems.md#the-42-papers)`));
      expect(lines.length).toBeGreaterThan(0);
      const names = lines.flatMap((line) =>
        [...line.split(' | ')[1]!.matchAll(/`([\w ]+)`/g)].map(([, name]) => name!),
      );
      expect(names.some((name) => row.includes(`\`${name}\``))).toBe(true);
    },
  );
  it('knows all papers', () => expect(rows.length).toBe(42));
});

interface Described {
  readonly name: string;
  readonly fields: readonly { readonly name: string }[];
}
const ops: Described[] = JSON.parse(native.describe());
const op = (name: string): Described | undefined => ops.find((own) => own.name === name);

describe('C++ compiles', () => {
  it.each(blocks('cpp'))(
    '%s, line %i',
    (file, line, code) => {
      // A header, then files that include it.
      const [, header] = /struct (?:\w+) \{\n.*\*name = "(\w+)"/.exec(code) ?? [];
      const [place] = new RegExp(`ops/\\w+/${header}\\.h`).exec(read(file)) ?? [];
      const target = path.join(folder, place ?? `block-${line}.cpp`);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, code);
      const args = ['-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Wno-pragma-once-outside-header', '-x', 'c++'];
      // CUDA kernels as the emulator compiles them.
      const includes = [folder, path.join(root, 'native'), path.join(root, 'test', 'cuda-emulator', 'include')].map(
        (place) => `-I${place}`,
      );
      execFileSync(process.env['CXX'] || 'c++', [...args, ...includes, target], { stdio: 'pipe' });
    },
    120_000,
  );
});

describe('commands exist', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const presets: string[] = JSON.parse(read('CMakePresets.json')).configurePresets.map((p: { name: string }) => p.name);
  const bench = read('native/bench/main.cpp');
  const isFile = (word = ''): boolean => existsSync(path.join(root, word));
  const peers = readdirSync(path.join(root, 'scripts', 'peers'))
    .map((file) => read(path.join('scripts', 'peers', file)))
    .join('\n');
  const run = read('scripts/run.sh');
  const steps = read('scripts/jobs/steps.sh');
  const { dependencies = {}, devDependencies = {}, peerDependencies = {} } = JSON.parse(read('package.json'));
  const titles = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => read(path.join('test', file)))
    .join('\n');
  const isGoal = (word: string): boolean => /^R\d+$/.test(word) && titles.includes(`'${word}: `);
  const runs: Record<string, (words: string[]) => boolean> = {
    deep: (parts) => parts.every((part) => part === '--all' || isGoal(part)),
    replay: ([name = '', option, seed = '', ...rest]) =>
      isGoal(name) && option === '--seed' && /^-?\d+$/.test(seed) && (rest.length === 0 || rest[0] === '--path'),
  };
  const known: [RegExp, (words: string[]) => boolean][] = [
    [
      /^bash scripts\/run\.sh /,
      ([, , word = '', ...rest]) =>
        runs[word]
          ? new RegExp(`^  "${word} `, 'm').test(run) && runs[word](rest)
          : run.includes(`\n  "${word} ${rest.length + 1}")`),
    ],
    [
      /^bash scripts\/gpu-check\.sh/,
      ([, script, ...words]) =>
        isFile(script) && words.every((word) => read('scripts/gpu-check.sh').includes(`[${word}]`)),
    ],
    [/^npm run /, ([, , name = '']) => Object.hasOwn(scripts, name)],
    [/^npm (pack|install orthokit-[\d.]+\.tgz)$/, () => true],
    [/^npx vitest run /, (words) => isFile(words.at(-1))],
    [/^cmake (--build )?--preset /, (words) => presets.includes(words[words.indexOf('--preset') + 1] ?? '')],
    [
      /^npx orthokit (info|bench|merge|compress|transplant|run|build)/,
      ([, , command = '', ...rest]) => {
        const table = read(`lib/cli/${command}.ts`);
        const isOption = (word: string): boolean =>
          new RegExp(`^    '?${word.replace(/^--?/, '')}'?: |\\bshort: '${word.replace(/^-/, '')}'`, 'm').test(table);
        return rest.filter((word) => word.startsWith('-')).every(isOption);
      },
    ],
    [/^sudo apt install /, (words) => words.slice(3).every((w) => (run + steps).includes(`${w}=`))],
    // The command that compiles says the same, of what package.json allows.
    [
      /^npm install --save-dev cmake-js@/,
      (words) => words.at(-1) === `cmake-js@${/\d+/.exec(peerDependencies['cmake-js'])?.[0]}`,
    ],
    // Packages that only the peers of a race need: each is imported there, and is no dependency of ours.
    [
      /^apt-get install python3-/,
      (words) => words.slice(2).every((w) => new RegExp(`^import ${w.replace('python3-', '')}\\b`, 'm').test(peers)),
    ],
    [
      /^npm install --no-save /,
      (words) =>
        words.slice(3).every((word) => {
          const [, name = ''] = /^(.+)@\d+\.\d+\.\d+$/.exec(word) ?? [];
          return peers.includes(`'${name}'`) && !(name in dependencies) && !(name in devDependencies);
        }),
    ],
    [
      /^node scripts\//,
      ([, script = '', ...rest]) =>
        existsSync(path.join(root, script)) &&
        rest
          .filter((word) => word.startsWith('--'))
          .every((word) => new RegExp(`^// usage: .*\\[${word}\\b`, 'm').test(read(script))) &&
        rest
          .filter((word) => /^[a-z]/.test(word) && script.startsWith('scripts/peers/'))
          .every((word) => Object.hasOwn(JSON.parse(read('scripts/peers/cases.json')), word)),
    ],
    // Requests to the training server, each to a place that it describes.
    [
      /^curl /,
      (words) => {
        const url = words.map((word) => word.replaceAll("'", '')).find((word) => word.startsWith('http:'))!;
        const place = new URL(url).pathname.replace(/[0-9a-z]{8}-[0-9a-f]{8}/, '{id}').replace(/\/\d+\//, '/{step}/');
        return Object.hasOwn(openapi('0').paths, place);
      },
    ],
    [
      /^build\/(cpu|emulated|checked)\/orthokit_bench /,
      ([, command = '', ...rest]) => {
        const options = [command, ...rest].filter((word) => word.startsWith('--'));
        const fields = rest.filter((word) => word.includes('=')).map((word) => word.replace(/^'/, '').split('=')[0]);
        const own = op(command)?.fields.map((field) => field.name) ?? [];
        return (
          (command.startsWith('--') || op(command) !== undefined) &&
          options.every((word) => bench.includes(`"${word}"`)) &&
          fields.every((field) => own.includes(field ?? ''))
        );
      },
    ],
  ];
  const commands = blocks('sh').flatMap(([file, line, code]) =>
    code.split('\n').flatMap((text, i): [string, number, string][] =>
      text
        .replace(/\s+#.*$/, '')
        .split(' && ')
        .filter((command) => command.trim() !== '')
        .map((command) => [file, line + 1 + i, command.trim()]),
    ),
  );
  const sources = ['test/cuda-emulator/src/options.cpp', 'native/core/backends.cpp', 'native/cuda/blas.cpp'].map(read);
  const isRead = (variable = ''): boolean =>
    sources.some((text) => text.includes(`"${variable.replace('ORTHOKIT_EMULATOR_', '')}"`));
  // The package's own command: what needs no files and takes no longer than a moment. Without CUDA, asking for it fails.
  const runnable =
    /^npx orthokit (info( --json)?( --require (cpu|cuda))?|bench --list|(info|bench|merge|compress|transplant|run|build) --help)$/;
  const quick = [...new Set(commands.map(([, , line]) => line).filter((line) => runnable.test(line)))];
  it.each(quick)('%s runs', (line) => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [path.join(root, 'dist/cli/main.js'), ...line.split(' ').slice(2)],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    const mayFail = line.includes('--require cuda') && Device.unavailable('cuda') !== undefined;
    expect(status, stderr).toBe(mayFail ? 1 : 0);
  });
  it('some of the commands were run', () => expect(quick.length).toBeGreaterThanOrEqual(4));

  it.each(commands)('%s, line %i: %s', (_file, _line, line) => {
    const [settings = ''] = /^(\w+=\S+ )*/.exec(line) ?? [];
    for (const [, name = ''] of settings.matchAll(/(\w+)=/g)) expect(isRead(name), name).toBe(true);
    const command = line.slice(settings.length);
    const [, check] = known.find(([pattern]) => pattern.test(command)) ?? [];
    expect(check, 'a kind of command that the test knows').toBeDefined();
    expect(check!(command.split(/\s+/))).toBe(true);
  });
});

describe('JSON is what the bench or the training server prints', () => {
  const server = 'examples/training-server';
  const answers = [...readdirSync(path.join(root, server, 'http')).map((file) => `http/${file}`), 'problem.mjs']
    .map((file) => read(`${server}/${file}`))
    .join('\n');
  const printed = ['main', 'verify', 'measure', 'case'].map((file) => read(`native/bench/${file}.cpp`)).join('\n');
  const lines = blocks('json').flatMap(([file, line, code]) =>
    code
      .trimEnd()
      .split('\n')
      .map((text, i): [string, number, string] => [file, line + 1 + i, text]),
  );
  it.each(lines)('%s, line %i', (file, _line, text) => {
    const value: Record<string, unknown> = JSON.parse(text.replace(/,…\}$/, '}'));
    if (file.endsWith('server.md')) {
      for (const key of Object.keys(value)) expect(answers).toMatch(new RegExp(`\\b${key}\\b`));
      return;
    }
    expect(op(value['op'] as string)).toBeDefined();
    for (const key of Object.keys(value)) expect(printed).toContain(`"${key}`);
  });
});
