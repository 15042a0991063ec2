// The site of the documentation in Chromium: the home page, a guide with its picture, two programs side by side, a page of the
// API, the search; light and dark. Whatever the browser complains of, and each request to another host, is a fault.
// usage: node test/browser/site.mjs [folder of screenshots]: of the site that npm run docs:site has built
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { chromium } from 'playwright-core';

const root = path.join(import.meta.dirname, '..', '..');
const site = path.join(root, 'build', 'site', 'html');
const pictures = process.argv[2] ?? path.join(root, 'build', 'browser', 'site');
mkdirSync(pictures, { recursive: true });

// Any server of files will do.
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};
const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const file = path.join(site, pathname, pathname.endsWith('/') ? 'index.html' : '');
  const found = statSync(file, { throwIfNoEntry: false })?.isFile();
  response.writeHead(found ? 200 : 404, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' });
  response.end(found ? readFileSync(file) : '');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.ORTHOKIT_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  const page = await browser.newPage({
    viewport: { width: 1440, height: 1000 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  page.setDefaultTimeout(60_000);
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(url)) wrong.push(`asked ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) wrong.push(`${response.status()} ${response.url()}`);
  });
  const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });
  const open = async (place) => {
    await page.goto(`${url}/${place}`, { waitUntil: 'networkidle' });
    await page.waitForFunction(() => '__vue_app__' in document.querySelector('#app'));
    const holds = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    assert.ok(holds, `nothing of ${place} sticks out`);
  };
  /** True if all pictures in the text are drawn. */
  const drawn = () =>
    page.evaluate(() => {
      const all = [...document.querySelectorAll('.vp-doc img')];
      return all.length > 0 && all.every((image) => image.complete && image.naturalWidth > 0);
    });

  await open('');
  assert.ok(await drawn(), 'the picture of the home page');
  assert.ok((await page.locator('.tasks a').count()) > 30, 'the guides by task');
  await picture('home');
  await page.locator('.VPHero').getByRole('link', { name: 'Getting started' }).click();
  await page.locator('h1', { hasText: 'Getting started' }).waitFor();
  assert.ok((await page.locator('.VPSidebar .is-active').count()) > 0, 'the sidebar shows where one is');

  await open('guide/transport.html');
  assert.ok(await drawn(), 'the picture of a guide');
  await picture('guide');
  await open('guide/from-pytorch.html');
  const [left, right] = await page.locator('.side').first().locator('> div').all();
  const [one, other] = [await left.boundingBox(), await right.boundingBox()];
  assert.ok(one.y === other.y && one.x + one.width <= other.x, 'two programs stand side by side');
  await picture('side-by-side');
  await open('guide/choosing.html');
  await picture('choosing');
  await open('api/optimizers/index.html');
  await page.locator('h3#muon').waitFor();
  await picture('api');
  await open('api/ops.html');
  await page.locator('h2#gemm').waitFor();

  await page.keyboard.press('Control+KeyK');
  await page.locator('.VPLocalSearchBox input').fill('newton schulz');
  const first = page.locator('.VPLocalSearchBox .result').first();
  await first.waitFor();
  await picture('search');
  await first.click();
  await page.locator('.VPLocalSearchBox').waitFor({ state: 'detached' });
  await page.waitForURL('**/guide/optimizers.html#newton*');

  await page.emulateMedia({ colorScheme: 'dark' });
  for (const [name, place] of [
    ['home-dark', ''],
    ['guide-dark', 'guide/transport.html'],
    ['api-dark', 'api/nn.html'],
  ]) {
    await open(place);
    assert.ok(await page.evaluate(() => document.documentElement.classList.contains('dark')), 'it is dark');
    await picture(name);
  }
  await page.setViewportSize({ width: 420, height: 900 });
  for (const [name, place] of [
    ['home-narrow', ''],
    ['guide-narrow', 'guide/from-pytorch.html'],
  ]) {
    await open(place);
    await picture(name);
  }
  assert.deepEqual(wrong, []);
  console.log(`the site holds; pictures in ${path.relative(process.cwd(), pictures)}`);
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
