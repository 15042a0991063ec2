// Pages of the API as typedoc writes them, made pages of the site: a name, anchors and a place in the list for each.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { outsideBlocks } from './pages.mjs';

/** Names of files and titles are those of sub-paths; the operations have a page of their own. */
export function arrange(folder) {
  rmSync(path.join(folder, 'index.md'));
  renameSync(path.join(folder, 'index-1.md'), path.join(folder, 'orthokit.md'));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
  for (const file of files) {
    const at = path.join(folder, file);
    let text = readFileSync(at, 'utf8').replaceAll('index-1.md', 'orthokit.md');
    if (file === 'orthokit.md') text = text.replace(/^# index$/m, '# orthokit');
    else if (!file.includes('namespaces')) text = text.replace(/^# (\w+)$/m, '# orthokit/$1');
    text = anchored(text);
    if (file === 'orthokit.md') {
      const { rest, ops } = split(text);
      writeFileSync(path.join(folder, 'ops.md'), `---\npageClass: api\noutline: 2\n---\n\n${ops}`);
      text = rest;
    } else text = text.replaceAll('orthokit.md#ops)', 'ops.md)');
    writeFileSync(at, `---\npageClass: api\n---\n\n${text}`);
  }
  writeFileSync(path.join(folder, 'index.md'), contents(folder));
}

/** Each heading has an anchor of its own: typedoc's, or a number where it has none, as Parameters and Returns. */
function anchored(text) {
  let count = 0;
  return outsideBlocks(text, (part) =>
    part.replaceAll(
      /(?:<a id="([^"]+)"><\/a>\n\n)?^(#+ .+)$/gm,
      (_, id, heading) => `${heading} {#${id ?? `part-${++count}`}}`,
    ),
  );
}

/** The page of the root, and the operations out of it. */
export function split(text) {
  const [whole, body] = /^### Ops \{#ops\}\n(.*?)^\*\*\*\n\n(?=### )/ms.exec(text);
  const links = (part) => part.replaceAll('](#', '](orthokit.md#');
  const methods = body
    .replace(/^#### Extends.*?^(?=#### )/ms, '')
    .replace(/^#### Methods.*$/m, '')
    .replaceAll(/^#####(#?) (?=\S)/gm, (_, deeper) => (deeper ? '### ' : '## '))
    .replaceAll(/^### Inherited from.*\n\n.*\n\n/gm, '')
    // The fields themselves stand in the rows below.
    .replaceAll(/^\| `fields` \|.*\n/gm, '');
  return {
    rest: text.replace(whole, '').replaceAll('](#ops)', '](ops.md)'),
    ops: `# Operations\n\n${links(methods)}`,
  };
}

function contents(folder) {
  const rows = subPathsOf(folder).map(({ file, title }) => `- [\`${title}\`](${file})`);
  return `# API reference\n\nA page for each place that names are imported from.\n\n${rows.join('\n')}\n`;
}

/** The pages in their order: the root, its operations, the sub-paths, namespaces after what holds them. */
export function subPathsOf(folder) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.md') && file !== 'index.md',
  );
  const rank = (file) => ['orthokit.md', 'ops.md'].indexOf(file) >>> 0;
  return files
    .map((file) => ({ file, title: /^# (.+?)(?: \{.*)?$/m.exec(readFileSync(path.join(folder, file), 'utf8'))[1] }))
    .toSorted((a, b) => rank(a.file) - rank(b.file) || (a.file < b.file ? -1 : 1));
}
