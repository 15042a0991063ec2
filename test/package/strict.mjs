// A project of what users write, as strict as a compiler can be: the blocks of README and guides, and an import of each
// sub-path. Our types stand on their own there, without @types/node, without those of browsers and without skipLibCheck.
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');

export const compilerOptions = {
  noEmit: true,
  strict: true,
  skipLibCheck: false,
  target: 'es2022',
  lib: ['es2022'],
  module: 'nodenext',
  types: [],
};

/** Writes the blocks into a folder where `orthokit` can be imported; gives the names of the files. */
export function writeProject(folder) {
  const names = ['globals.d.ts'];
  copyFileSync(path.join(import.meta.dirname, 'globals.d.ts'), path.join(folder, 'globals.d.ts'));
  const add = (name, text) => {
    writeFileSync(path.join(folder, name), text);
    names.push(name);
  };
  const guides = readdirSync(path.join(root, 'docs', 'guide')).map((page) => path.join('docs', 'guide', page));
  for (const page of ['README.md', ...guides]) {
    const text = readFileSync(path.join(root, page), 'utf8');
    for (const { index, 1: code } of text.matchAll(/^```ts\n(.*?)^```$/gms)) {
      // Whoever uses TensorFlow.js has its types, which are not written for such compilers: test/tfjs/types.test.ts.
      if (code.includes("'@tensorflow/")) continue;
      const line = text.slice(0, index).split('\n').length;
      add(`${path.basename(page, '.md')}-${line}.mts`, `${code}export {};\n`);
    }
  }
  return names;
}

/** The names by which the package can be imported. */
function subPaths() {
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const keys = Object.keys(exports).filter((key) => exports[key].types);
  return keys.map((key) => path.posix.join('orthokit', key));
}

/** Writes an import of each sub-path, to be compiled alone: no entry may lean on what another one declares. */
export function writeSubPaths(folder) {
  return subPaths().map((key, i) => {
    const name = `sub-path-${i}.mts`;
    writeFileSync(path.join(folder, name), `import * as own from '${key}';\nown;\n`);
    return name;
  });
}

/** Writes an import of all sub-paths together. */
export function writeAllSubPaths(folder) {
  const lines = subPaths().map((key, i) => `import * as own${i} from '${key}';\nown${i};\n`);
  writeFileSync(path.join(folder, 'sub-paths.mts'), lines.join(''));
  return 'sub-paths.mts';
}

/** The same for CommonJS, in one file. */
export function writeRequires(folder) {
  const lines = subPaths().map((key, i) => `import own${i} = require('${key}');\nown${i};\n`);
  writeFileSync(path.join(folder, 'sub-paths.cts'), lines.join(''));
  return 'sub-paths.cts';
}
