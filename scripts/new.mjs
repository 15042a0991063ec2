// npm run new -- op <group>/<name> | optimizer <name> | system <family>/<name>: the files of something new, and a line
// wherever such things are listed. All compiles; tests fail until formula, reference and documentation are written.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as op from './new/op.mjs';
import * as optimizer from './new/optimizer.mjs';
import * as system from './new/system.mjs';

const root = path.join(import.meta.dirname, '..');
const at = (file) => path.join(root, file);
const has = (file) => existsSync(at(file));

const operationsOf = (group) =>
  has(`native/ops/${group}`)
    ? readdirSync(at(`native/ops/${group}`)).flatMap((file) => /^(\w+)\.h$/.exec(file)?.[1] ?? [])
    : [];
/** Pages that are called otherwise than their families. */
const pages = {
  linalg: 'linear-algebra',
  sparse: 'sparse-coding',
  tokenizers: 'transplantation',
  transplant: 'transplantation',
};
const pageOf = (family) => {
  const page = `docs/guide/${pages[family] ?? family}.md`;
  return has(page) ? page : undefined;
};

const kinds = {
  op: { ...op, pieces: (place) => op.pieces(place, operationsOf) },
  optimizer,
  system: { ...system, pieces: (place) => system.pieces(place, { has, pageOf }) },
};

const [kind, name] = process.argv.slice(2);
if (!Object.hasOwn(kinds, kind ?? '') || !kinds[kind].pattern.test(name ?? '')) {
  console.error(`usage: npm run new -- ${Object.values(kinds)
    .map(({ usage }) => usage)
    .join(' | ')}
names of operations and optimizers in snake_case, of systems in kebab-case`);
  process.exit(2);
}
const refusal = kinds[kind].refusalOf?.(name, has);
if (refusal) {
  console.error(refusal);
  process.exit(2);
}
const { files, edits } = kinds[kind].pieces(name);
const taken = Object.keys(files).find(has);
if (taken) {
  console.error(`${taken} exists already`);
  process.exit(1);
}
// All edits are made before anything is written: one that finds no place leaves all as it is.
const edited = Object.entries(edits).map(([file, edit]) => [file, edit(readFileSync(at(file), 'utf8'))]);
for (const [file, text] of Object.entries(files)) {
  mkdirSync(path.dirname(at(file)), { recursive: true });
  writeFileSync(at(file), text);
  console.log(file);
}
for (const [file, text] of edited) {
  writeFileSync(at(file), text);
  console.log(`${file}: one entry more`);
}

/** Formats the files: where lines break depends on the names. */
function format(tool, args, files) {
  if (files.length === 0) return;
  const { status, stderr } = spawnSync(process.execPath, [at(`node_modules/${tool}`), ...args, ...files], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) console.error(`${tool} did not format them: ${stderr}`);
}
const written = [...Object.keys(files), ...Object.keys(edits)];
const some = (pattern) => written.filter((file) => pattern.test(file));
format('@biomejs/biome/bin/biome', ['check', '--write', '--vcs-enabled=false'], some(/\.(ts|mjs|json)$/));
format('clang-format/index.js', ['-i'], some(/\.(h|cpp|cu)$/));
