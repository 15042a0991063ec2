// The guides in the order and the groups of docs/guide/README.md, the only list of them.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { read, root } from './pages.mjs';

/**
 * @param {string} text of docs/guide/README.md
 * @param {string[]} files the guides that there are
 * @returns {{ title: string, pages: { title: string, file: string, about: string }[] }[]}
 */
export function groupsOf(text, files) {
  const groups = [];
  for (const [, title, words, file, about] of text.matchAll(/^## (.+)$|^\| \[(.+?)\]\((.+?\.md)\) \| (.+) \|$/gm)) {
    if (title !== undefined) groups.push({ title, pages: [] });
    else if (groups.length === 0) throw new Error(`docs/guide/README.md: ${file} stands in no group`);
    else groups.at(-1).pages.push({ title: words, file, about });
  }
  const listed = groups.flatMap(({ pages }) => pages.map(({ file }) => file));
  const twice = listed.filter((file, i) => listed.indexOf(file) < i);
  const absent = files.filter((file) => !listed.includes(file));
  if (twice.length > 0) throw new Error(`docs/guide/README.md lists ${twice.join(', ')} twice`);
  if (absent.length > 0) throw new Error(`docs/guide/README.md does not list ${absent.join(', ')}`);
  return groups.filter(({ pages }) => pages.length > 0);
}

export const guides = () =>
  groupsOf(
    read('docs/guide/README.md'),
    readdirSync(path.join(root, 'docs', 'guide')).filter((file) => file.endsWith('.md') && file !== 'README.md'),
  );
