// Blocks of code in README, guides and CONTRIBUTING.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

export const root = path.join(import.meta.dirname, '..', '..');
export const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** A folder inside the package, where `orthokit` resolves to itself; blocks write their files into it. */
export function folderOfBlocks(): string {
  mkdirSync(path.join(root, 'build'), { recursive: true });
  return mkdtempSync(path.join(root, 'build', 'docs-'));
}

const pages = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => path.join('docs', file));
export const files = ['README.md', 'CONTRIBUTING.md', ...pages];

export type Block = [file: string, line: number, code: string];

/** All blocks in a language. */
export const blocks = (language: string): Block[] =>
  files.flatMap((file) => {
    const text = read(file);
    const found = text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'));
    return [...found].map(({ index, 1: code = '' }): Block => [file, text.slice(0, index).split('\n').length, code]);
  });

/** Outputs that a block names: `console.log(…); // what is printed (and a remark)`, by line. */
export const outputsOf = (code: string): [line: number, output: string][] =>
  code.split('\n').flatMap((text, i): [number, string][] => {
    const [, comment = ''] = /\bconsole\.log\(.*\); \/\/ (.*)$/.exec(text) ?? [];
    const output = comment.replace(/ *\(.*\)$/, '');
    return output === '' ? [] : [[i, output]];
  });

/** The block, with a line before each output that says which it is. */
const marked = (code: string): string =>
  outputsOf(code)
    .reduce((lines, [i]) => {
      lines[i] = lines[i]!.replace('console.log(', `console.log('§§${i}');console.log(`);
      return lines;
    }, code.split('\n'))
    .join('\n');

/** Writes a block of TypeScript as a module; gives its place. */
export function moduleOf(folder: string, [file, line, code]: Block): string {
  const { outputText } = ts.transpileModule(marked(code), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const script = path.join(folder, `${file.replaceAll(/\W/g, '-')}-${line}.mjs`);
  writeFileSync(script, outputText);
  return script;
}

/** The output of a module in a process of its own, which must end well. */
export const printedBy = (script: string): string =>
  execFileSync(process.execPath, [script], { cwd: path.dirname(script), stdio: 'pipe', encoding: 'utf8' });

/** The output where a block names it, by line. */
export const printedOutputs = (printed: string): [line: number, output: string][] =>
  [...printed.matchAll(/^§§(\d+)\n(.*)$/gm)].map(([, i, text]) => [Number(i), text!]);
