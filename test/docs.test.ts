// Every TypeScript block of README and docs runs as it stands, importing the built package under its own name.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..');
// Inside the package, where `orthokit` resolves to itself; blocks write their files into a folder of their own.
mkdirSync(path.join(root, 'build'), { recursive: true });
const folder = mkdtempSync(path.join(root, 'build', 'docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Block {
  readonly line: number;
  readonly code: string;
}

function blocksOf(file: string): Block[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(({ index, 1: code = '' }) => ({
    line: text.slice(0, index).split('\n').length,
    code,
  }));
}

const pages = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => path.join('docs', file));
const documents = ['README.md', 'CONTRIBUTING.md', ...pages].map((file) => ({ file, blocks: blocksOf(file) }));

describe.each(documents.filter(({ blocks }) => blocks.length > 0))('$file', ({ file, blocks }) => {
  it.each(blocks)('block at line $line', ({ line, code }) => {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const script = path.join(folder, `${file.replaceAll(/\W/g, '-')}-${line}.mjs`);
    writeFileSync(script, outputText);
    expect(() => execFileSync(process.execPath, [script], { cwd: folder, stdio: 'pipe' })).not.toThrow();
  });
});
