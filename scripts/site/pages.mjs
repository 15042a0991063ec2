// Files of the repository as pages of the site: where each goes, and where its links then lead.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..', '..');
export const read = (file) => readFileSync(path.join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json'));

const own = {
  'README.md': 'overview.md',
  'docs/guide/README.md': 'guide/index.md',
  'CHANGELOG.md': 'changelog.md',
  'CONTRIBUTING.md': 'contributing.md',
  'SECURITY.md': 'security.md',
  'THIRD_PARTY_NOTICES.md': 'notices.md',
};

/** Every page of the repository. */
export const sources = [
  ...Object.keys(own),
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && file !== path.join('guide', 'README.md'))
    .map((file) => path.posix.join('docs', file))
    .toSorted(),
];

/** The place of a file of the repository in the site; undefined where the site does not hold it. */
export function placeOf(file) {
  if (own[file]) return own[file];
  if (/^docs\/.*\.(md|png|svg)$/.test(file)) return file.slice('docs/'.length);
}

/** The address of a file that the site does not hold; undefined where package.json names no repository. */
export function addressOf(file, repository = manifest.repository) {
  const url = typeof repository === 'string' ? repository : repository?.url;
  if (!url) return;
  return `${url.replace(/^git\+/, '').replace(/\.git$/, '')}/blob/main/${file}`;
}

/** Text before the first heading of level 1 counts for nothing. */
export const titleOf = (text) => /^# (.+)$/m.exec(text)?.[1].replaceAll('`', '') ?? '';

const fences = /^(```[^\n]*\n.*?^```)$/ms;

/** The text without its blocks of code changed by a function. */
export const outsideBlocks = (text, change) =>
  text
    .split(fences)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join('');

/**
 * A link in a page, as it must be in the site: to another page or picture relative to the place of the page; to what the site
 * does not hold by its address, or undefined where it has none.
 *
 * @param {string} link as it stands
 * @param {string} file the page of the repository
 * @param {string} place of that page in the site
 * @param {string} words of the link
 */
export function linkOf(link, file, place, words, repository = manifest.repository) {
  if (/^[a-z]+:|^#/.test(link)) return link;
  const [to, anchor] = link.split('#');
  const target = path.posix.join(path.posix.dirname(file), to);
  const there = placeOf(target);
  if (there === undefined) return addressOf(target, repository);
  // A link whose words are the number of a row leads to the row.
  const row = target === 'docs/systems.md' ? /^(?:row )?(\d+)$/.exec(words)?.[1] : undefined;
  const relative = path.posix.relative(path.posix.dirname(place), there);
  const end = row === undefined ? anchor : `row-${row}`;
  return `${relative.startsWith('.') ? relative : `./${relative}`}${end === undefined ? '' : `#${end}`}`;
}

/** A page of the repository as a page of the site. */
export function pageOf(text, file, place = placeOf(file), repository = manifest.repository) {
  const linked = outsideBlocks(text, (part) =>
    part.replace(/(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g, (_, picture, words, link) => {
      const to = linkOf(link, file, place, words, repository);
      return to === undefined ? words : `${picture}[${words}](${to})`;
    }),
  );
  const numbered =
    file === 'docs/systems.md' ? linked.replaceAll(/^\| (\d+) \|/gm, '| <a id="row-$1"></a>$1 |') : linked;
  const beside = sideBySide(numbered);
  // Tables of papers and figures have many columns.
  return beside !== numbered || /^docs\/[^/]+\.md$/.test(file)
    ? `---\npageClass: wide\naside: false\n---\n\n${beside}`
    : beside;
}

/** A block of Python and the block of TypeScript after it stand beside each other. */
const sideBySide = (text) =>
  text.replaceAll(
    /^```py\n(?:(?!^```)[\s\S])*^```\n\n```ts\n(?:(?!^```)[\s\S])*^```$/gm,
    '<div class="side">\n\n$&\n\n</div>',
  );
