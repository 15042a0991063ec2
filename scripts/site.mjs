// The documentation as a site: guides, papers and experiments by vitepress, the API by typedoc. Fails on links that lead
// nowhere.
// usage: npm run docs:site -- [--serve]: builds it into build/site/html, and shows it at a local address
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, serve } from 'vitepress';
import { home } from './site/home.mjs';
import { faultsOf } from './site/links.mjs';
import { pageOf, placeOf, read, root, sources } from './site/pages.mjs';
import { writeReference } from './site/reference.mjs';

const words = process.argv.slice(2);
if (words.some((word) => word !== '--serve')) {
  console.error('usage: npm run docs:site -- [--serve]');
  process.exit(2);
}
const site = path.join(root, 'build', 'site');
const pages = path.join(site, 'pages');
const put = (place, text) => {
  mkdirSync(path.dirname(path.join(site, place)), { recursive: true });
  writeFileSync(path.join(site, place), text);
};

rmSync(site, { recursive: true, force: true });
await writeReference(path.join(pages, 'api'));
for (const file of sources) {
  const text = read(file);
  put(`pages/${placeOf(file)}`, pageOf(text, file));
  for (const [, picture] of text.matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)) {
    const from = path.posix.join(path.posix.dirname(file), picture);
    const to = path.join(pages, placeOf(from) ?? '');
    if (placeOf(from) === undefined || existsSync(to)) continue;
    mkdirSync(path.dirname(to), { recursive: true });
    copyFileSync(path.join(root, from), to);
  }
}
put('pages/index.md', home());
const own = path.relative(path.join(site, '.vitepress'), path.join(root, 'scripts', 'site'));
put('.vitepress/config.mjs', `export { default } from '${own}/config.mjs';\n`);
put('.vitepress/theme/index.mjs', `export { default } from '../${own}/theme.mjs';\n`);
await build(site);

const faults = faultsOf(path.join(site, 'html'));
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log(`the site is in ${path.relative(process.cwd(), path.join(site, 'html'))}`);
if (words.includes('--serve')) await serve({ root: site });
