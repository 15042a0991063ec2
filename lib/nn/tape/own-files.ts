import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

let found: readonly string[] | undefined;

/**
 * The folders of the library's code, as stacks may spell them. None in a bundle, where others' code may be in the same
 * file: the package that a bundle belongs to has another name.
 */
export function ownFolders(): readonly string[] {
  found ??= search(import.meta.url);
  return found;
}

function search(file: string): readonly string[] {
  for (let folder = new URL('.', file); folder.pathname.length > 1; folder = new URL('..', folder)) {
    let text: string;
    try {
      text = readFileSync(new URL('package.json', folder), 'utf8');
    } catch {
      continue;
    }
    if (!/"name": *"orthokit"/.test(text)) return [];
    return ['lib/', 'dist/'].map((name) => new URL(name, folder)).flatMap((own) => [own.href, fileURLToPath(own)]);
  }
  return [];
}
