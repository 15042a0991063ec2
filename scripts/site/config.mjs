// The configuration of vitepress for the pages in build/site/pages. Nothing is asked of other hosts: fonts and search are of the site.
import path from 'node:path';
import { subPathsOf } from './api-pages.mjs';
import { guides } from './guides.mjs';
import { placeOf, read, root, sources, titleOf } from './pages.mjs';

const site = path.join(root, 'build', 'site');
const link = (place) => `/${place.replace(/(^|\/)index\.md$/, '$1').replace(/\.md$/, '')}`;
const pagesIn = (pattern) =>
  sources
    .filter((file) => pattern.test(file))
    .map((file) => ({ text: titleOf(read(file)), link: link(placeOf(file)) }));

const groups = guides().map(({ title, pages }, i) => ({
  text: title,
  collapsed: i > 1,
  items: pages.map((page) => ({ text: page.title, link: link(`guide/${page.file}`) })),
}));
const sidebar = [
  {
    text: 'Guide',
    items: [
      { text: 'Overview', link: '/overview' },
      { text: 'All guides', link: '/guide/' },
    ],
  },
  ...groups,
  { text: 'Papers and figures', collapsed: true, items: pagesIn(/^docs\/[^/]+\.md$/) },
  { text: 'Experiments', collapsed: true, items: pagesIn(/^docs\/experiments\//) },
  { text: 'Design', collapsed: true, items: pagesIn(/^docs\/design\//) },
  { text: 'Project', collapsed: true, items: pagesIn(/^[^/]+\.md$/).filter((page) => page.link !== '/overview') },
];
const api = [
  {
    text: 'API reference',
    link: '/api/',
    items: subPathsOf(path.join(site, 'pages', 'api')).map(({ file, title }) => ({
      text: file.includes('namespaces') ? `– ${title}` : title,
      link: link(`api/${file}`),
    })),
  },
];

/** Spells anchors as GitHub makes them, which the links of pages and of typedoc name. */
const slugify = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

/** Two braces are two braces: pages are no templates. */
function plainBraces(md) {
  for (const name of ['text', 'code_inline']) {
    const rule = md.renderer.rules[name];
    md.renderer.rules[name] = (...all) => rule(...all).replaceAll('{{', '&#123;&#123;');
  }
}

/**
 * The text of a page as the search takes it. Blocks of code need no colours there, and of the API's parameters and results only
 * what is told about them.
 */
function indexed(source, env, md) {
  const text = source.replaceAll(/^```[^\n]*\n(.*?)^```$/gms, (_, code) => code.replaceAll(/^/gm, '    '));
  const isApi = env.relativePath.startsWith('api/');
  return md.render(
    isApi ? text.replaceAll(/^#{3,6} (Parameters|Returns|Throws|Inherited from)\b.*\n/gm, '') : text,
    env,
  );
}

export default {
  lang: 'en',
  title: 'orthokit',
  description: JSON.parse(read('package.json')).description,
  srcDir: './pages',
  outDir: './html',
  cacheDir: './cache',
  ignoreDeadLinks: false,
  lastUpdated: false,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    languages: ['ts', 'sh', 'json', 'cpp', 'py'],
    config: plainBraces,
  },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/guide/getting-started', activeMatch: '^/guide/' },
      { text: 'Which method', link: '/guide/choosing' },
      { text: 'API', link: '/api/', activeMatch: '^/api/' },
      { text: 'Papers', link: '/systems' },
      { text: 'Changes', link: '/changelog' },
    ],
    sidebar: { '/': sidebar, '/api/': api },
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        _render: indexed,
        // Guides before the many small parts of the API.
        miniSearch: { searchOptions: { boostDocument: (id) => (id.startsWith('/api/') ? 0.3 : 1) } },
      },
    },
  },
};
