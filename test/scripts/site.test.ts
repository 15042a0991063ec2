// Devices: cpu
// The site of the documentation: pages and their links, the one list of guides, faults that are found. The site itself is built
// and opened in a browser by test/browser/site.mjs.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { split } from '../../scripts/site/api-pages.mjs';
import { groupsOf, guides } from '../../scripts/site/guides.mjs';
import { home, opening, section } from '../../scripts/site/home.mjs';
import { faultsOf } from '../../scripts/site/links.mjs';
import { addressOf, linkOf, pageOf, placeOf, root, sources } from '../../scripts/site/pages.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-site-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('pages', () => {
  it('have a place each', () => {
    const places = sources.map(placeOf);
    expect(new Set(places).size).toBe(sources.length);
    expect(places).toEqual(expect.arrayContaining(['overview.md', 'guide/index.md', 'guide/tensors.md', 'systems.md']));
    expect(placeOf('docs/images/plans.png')).toBe('images/plans.png');
    expect(placeOf('lib/index.ts')).toBeUndefined();
  });

  it.each([
    ['tensors.md', 'docs/guide/optimizers.md', './tensors.md'],
    ['tensors.md#devices', 'docs/guide/optimizers.md', './tensors.md#devices'],
    ['../systems.md', 'docs/guide/optimizers.md', '../systems.md'],
    ['../../CONTRIBUTING.md', 'docs/guide/optimizers.md', '../contributing.md'],
    ['../../README.md#install', 'docs/guide/optimizers.md', '../overview.md#install'],
    ['docs/guide/README.md', 'README.md', './guide/index.md'],
    ['docs/images/digits.png', 'README.md', './images/digits.png'],
    ['#here', 'README.md', '#here'],
    ['https://nodejs.org', 'README.md', 'https://nodejs.org'],
  ])('%s of %s leads to %s', (link, file, to) => {
    expect(linkOf(link, file, placeOf(file)!, 'words', undefined)).toBe(to);
  });

  it('a link out of the site leads into the repository, or is plain text where there is none', () => {
    const repository = { url: 'git+https://example.org/a/b.git' };
    expect(addressOf('lib/index.ts', undefined)).toBeUndefined();
    expect(pageOf('See [the list](lib/index.ts).', 'README.md', 'overview.md', repository)).toBe(
      'See [the list](https://example.org/a/b/blob/main/lib/index.ts).',
    );
    expect(pageOf('See [the `list`](lib/index.ts).', 'README.md', 'overview.md', undefined)).toBe('See the `list`.');
  });

  it('blocks of code stay as they are', () => {
    const text = '```ts\nconst a = [b](docs/systems.md);\n```\n';
    expect(pageOf(text, 'README.md')).toBe(text);
  });

  it('numbers of rows lead to rows', () => {
    expect(linkOf('../systems.md#the-42-papers', 'docs/guide/choosing.md', 'guide/choosing.md', '7')).toBe(
      '../systems.md#row-7',
    );
    expect(pageOf('| 7 | Conda |', 'docs/systems.md')).toMatch(/^\| <a id="row-7"><\/a>7 \| Conda \|$/m);
  });

  it('two programs stand side by side', () => {
    const both = '```py\na\n```\n\n```ts\nb\n```';
    expect(pageOf(`${both}\n\n\`\`\`ts\nc\n\`\`\`\n`, 'docs/guide/from-pytorch.md')).toBe(
      `---\npageClass: wide\naside: false\n---\n\n<div class="side">\n\n${both}\n\n</div>\n\n\`\`\`ts\nc\n\`\`\`\n`,
    );
  });
});

describe('guides', () => {
  const list =
    '## One\n\n| page | what it answers |\n| --- | --- |\n| [A](a.md) | x |\n\n## Two\n\n| [B](b.md) | y |\n';
  it('are those of the list, in its groups', () => {
    expect(groupsOf(list, ['a.md', 'b.md'])).toEqual([
      { title: 'One', pages: [{ title: 'A', file: 'a.md', about: 'x' }] },
      { title: 'Two', pages: [{ title: 'B', file: 'b.md', about: 'y' }] },
    ]);
  });

  it.each([
    ['is not listed', list, ['a.md', 'b.md', 'c.md'], /does not list c\.md/],
    ['is listed twice', `${list}| [A](a.md) | x |\n`, ['a.md', 'b.md'], /lists a\.md twice/],
    ['stands in no group', '| [A](a.md) | x |\n', ['a.md'], /a\.md stands in no group/],
  ])('a guide that %s is refused', (_, text, files, message) => {
    expect(() => groupsOf(text, files)).toThrow(message);
  });

  it('all that there are are listed', () => {
    for (const { pages } of guides())
      for (const { file } of pages) expect(existsSync(path.join(root, 'docs', 'guide', file)), file).toBe(true);
  });

  it('all experiments are listed beside them', () => {
    const list = readFileSync(path.join(root, 'docs', 'guide', 'README.md'), 'utf8');
    for (const file of readdirSync(path.join(root, 'docs', 'experiments')))
      expect(list).toContain(`](../experiments/${file}) |`);
  });
});

describe('the home page', () => {
  it('has what the README has', () => {
    expect(opening('# a\n\nOne\ntwo.\n\nThree.\n\nFour.\n')).toBe('One two.');
    expect(section('# a\n\n## B\n\nc\n\n## D\n\ne\n', 'B')).toBe('## B\n\nc\n\n');
    expect(section('# a\n\n## B\n\nc\n\n## D\n\ne\n', 'D')).toBe('## D\n\ne\n');
    expect(() => section('# a\n', 'B')).toThrow('README.md has no section B');
    expect(home()).toMatch(/!\[.+\]\(\.\/images\/digits\.png\)/);
  });

  it('has a link to each guide', () => {
    const text = home();
    for (const { pages } of guides())
      for (const { file } of pages) expect(text).toContain(`./guide/${file.replace('.md', '.html')}`);
  });
});

it('the operations have a page of their own', () => {
  const text = `# orthokit {#part-1}

### Device {#device}

See [ops](#ops).

***

### Ops {#ops}

All.

#### Extends {#part-2}

- \`OpsOfGroup\`

#### Methods {#part-3}

##### gemm() {#gemm}

Of a [Device](#device).

###### Parameters {#part-4}

| Parameter | Type |
| \`fields\` | \\{ \`a\` \\} |
| \`fields.a\` | \`Tensor\` |

***

### Tensor {#tensor}
`;
  const { rest, ops } = split(text);
  expect(rest).not.toContain('### Ops');
  expect(rest).toContain('See [ops](ops.md).');
  expect(rest).toContain('### Tensor {#tensor}');
  expect(ops).toBe(
    '# Operations\n\n\nAll.\n\n\n\n## gemm() {#gemm}\n\nOf a [Device](orthokit.md#device).\n\n### Parameters {#part-4}\n\n' +
      '| Parameter | Type |\n| `fields.a` | `Tensor` |\n\n',
  );
});

it('links that lead nowhere and what comes from other hosts are found', () => {
  mkdirSync(path.join(folder, 'guide'));
  writeFileSync(path.join(folder, 'index.html'), '<a href="/guide/a.html#one">a</a><a href="/guide/#two">b</a>');
  writeFileSync(
    path.join(folder, 'guide', 'a.html'),
    '<h2 id="one">1</h2><a href="../">home</a><a href="#one">here</a>',
  );
  writeFileSync(path.join(folder, 'guide', 'index.html'), '<h2 id="two">2</h2><a href="https://example.org">out</a>');
  expect(faultsOf(folder)).toEqual([]);
  writeFileSync(
    path.join(folder, 'guide', 'b.html'),
    '<a href="/guide/c.html">c</a><a href="a.html#three">a</a><script src="https://example.org/x.js"></script><img src="x.png">',
  );
  expect(faultsOf(folder)).toEqual([
    'guide/b.html: /guide/c.html is not there',
    'guide/b.html: a.html#three has no such heading',
    'guide/b.html: <script> loads https://example.org/x.js',
    'guide/b.html: x.png is not there',
  ]);
});
