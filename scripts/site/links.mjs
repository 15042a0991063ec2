// The pages as they were built: each link leads to a page, a picture or a heading that is there, and nothing is loaded from
// another host.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** @returns {string[]} a line for each fault */
export function faultsOf(folder, base = '/') {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
  const texts = new Map(files.map((file) => [file, readFileSync(path.join(folder, file), 'utf8')]));
  const anchors = new Map(
    [...texts].map(([file, text]) => [file, new Set([...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => plain(id)))]),
  );
  return [...texts].flatMap(([file, text]) => {
    const links = [...text.matchAll(/<(\w+)\b[^>]*?\s(?:href|src)="([^"]*)"/g)];
    return [...new Set(links.flatMap(([, tag, link]) => faultOf(tag, plain(link), file)))];
  });

  function faultOf(tag, link, file) {
    if (/^(data|mailto):/.test(link)) return [];
    if (/^[a-z]+:|^\/\//.test(link)) return tag === 'a' ? [] : [`${file}: <${tag}> loads ${link}`];
    const [to, anchor] = link.split('#');
    const inside = to.startsWith(base) ? to.slice(base.length) : path.posix.join(path.posix.dirname(file), to);
    let target = to === '' ? file : decodeURIComponent(inside).replace(/\?.*$/, '');
    const at = path.join(folder, target);
    if (target === '' || (existsSync(at) && statSync(at).isDirectory())) target = path.posix.join(target, 'index.html');
    else if (!existsSync(at)) target += '.html';
    if (!existsSync(path.join(folder, target))) return [`${file}: ${link} is not there`];
    if (anchor && anchors.has(target) && !anchors.get(target).has(decodeURIComponent(anchor)))
      return [`${file}: ${link} has no such heading`];
    return [];
  }
}

const plain = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
