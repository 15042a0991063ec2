import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const root = path.join(import.meta.dirname, '..', '..');

const compilerOptions: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2022,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
};

/** The folder of what is not changed: several tests want all of it. Other options, or another compiler, have another place. */
const keptIn = path.join(
  root,
  'build',
  'javascript',
  createHash('sha256')
    .update(JSON.stringify([ts.version, compilerOptions]))
    .digest('hex')
    .slice(0, 12),
);

/** The names of the files of lib/ that are TypeScript. */
export const libraryFiles = (): string[] =>
  readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** A file of lib/ in JavaScript. */
export function javascriptOf(name: string, transformers?: ts.CustomTransformers): string {
  const source = path.join(root, 'lib', name);
  const kept = path.join(keptIn, name.replace(/\.ts$/, '.js'));
  const changedAt = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (!transformers && changedAt(kept) > changedAt(source)) return readFileSync(kept, 'utf8');
  const options = { compilerOptions, ...(transformers && { transformers }) };
  const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), options);
  if (transformers) return outputText;
  // Others may read it meanwhile.
  mkdirSync(path.dirname(kept), { recursive: true });
  writeFileSync(`${kept}.${process.pid}`, outputText);
  renameSync(`${kept}.${process.pid}`, kept);
  return outputText;
}

/** Puts the library, in JavaScript as a plain Node process runs it, into `folder/lib`, beside the binary of `build`. */
export function compileLibrary(folder: string, build = 'build'): void {
  for (const name of libraryFiles()) {
    const target = path.join(folder, 'lib', name.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, javascriptOf(name));
  }
  symlinkSync(path.join(root, build), path.join(folder, 'build'));
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
}

/** Runs a script of the folder to its end; what it printed. */
export function runScript(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`the script ended with ${status}: ${stderr}`);
  return stdout;
}
