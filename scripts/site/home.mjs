// The home page: what the README says first, its picture, the guides by task, its example, how to install.
import { guides } from './guides.mjs';
import { pageOf, read } from './pages.mjs';

/** A section of the README, with its heading. */
export function section(text, title) {
  const [found] = new RegExp(`^## ${title}\n.*?(?=^## |$(?![^]))`, 'ms').exec(text) ?? [];
  if (found === undefined) throw new Error(`README.md has no section ${title}`);
  return found;
}

/** The text between the title of the README and its list, on one line. */
export const opening = (text) => /^# [^\n]+\n\n(.*?)\n\n/s.exec(text)[1].replaceAll('\n', ' ');

export function home() {
  const readme = read('README.md');
  const page = (text) => pageOf(text, 'README.md', 'index.md');
  const picture = /^!\[.+\]\(.+\)$/m;
  const demo = section(readme, 'What the demo shows');
  const told = demo
    .replace(picture, '')
    .replace(/^<!-- demo -->.*^<!-- end of demo -->$/ms, '')
    .replace(/^## .+$/m, '');
  const actions = [
    { theme: 'brand', text: 'Getting started', link: '/guide/getting-started' },
    { theme: 'alt', text: 'Which method do I want', link: '/guide/choosing' },
    { theme: 'alt', text: 'From PyTorch', link: '/guide/from-pytorch' },
  ];
  const matter = {
    layout: 'home',
    title: 'orthokit',
    titleTemplate: 'optimizers and kernels for Node.js',
    hero: { name: 'orthokit', text: 'Train in Node.js', tagline: opening(readme), actions },
  };
  const groups = guides().map(({ title, pages }) => {
    const links = pages.map(
      (page) => `<a href="./guide/${page.file.replace(/\.md$/, '.html')}">${escaped(page.title)}</a>`,
    );
    return `<section>\n<h3>${escaped(title)}</h3>\n<p>${links.join(' · ')}</p>\n</section>`;
  });
  const parts = [
    `---\n${JSON.stringify(matter)}\n---`,
    page(picture.exec(demo)[0]),
    page(told.replaceAll(/\n\n+/g, '\n\n').trim()),
    `<div class="tasks">\n${groups.join('\n')}\n</div>`,
    ...['A GPT in fifty lines', 'Install'].map((title) => page(section(readme, title))),
  ];
  return parts.join('\n\n');
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
