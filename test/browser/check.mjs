// The page of the training server in Chromium: a curve that grows, controls, a server that is killed, light and dark.
// usage: node test/browser/check.mjs [folder of screenshots]
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const root = path.join(import.meta.dirname, '..', '..');
const pictures = process.argv[2] ?? path.join(root, 'build', 'browser');
mkdirSync(pictures, { recursive: true });
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
const limit = 60_000;

/** @param {number} port */
async function serve(port) {
  const script = path.join(root, 'examples', 'training-server', 'serve.mjs');
  const child = spawn(process.execPath, [script, '--folder', folder, '--port', `${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => resolve(/http:\/\/\S+/.exec(String(text))?.[0]));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { child, url };
}

let server = await serve(0);
const browser = await chromium.launch({
  executablePath: process.env.ORTHOKIT_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  const page = await browser.newPage({
    viewport: { width: 1200, height: 1040 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  page.setDefaultTimeout(limit);
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    // Requests fail while the server is gone, and one is wrong on purpose; what the page's policy refuses must not happen.
    if (
      message.type() === 'error' &&
      !/ERR_CONNECTION_REFUSED|status of 400|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET/.test(message.text())
    )
      wrong.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(server.url))
      wrong.push(`asked ${request.url()}`);
  });
  const until = (test, ...args) => page.waitForFunction(test, ...args);
  const start = async (optimizer, lr) => {
    await page.fill('#fields [name=steps]', '200000');
    await page.selectOption('#fields [name=optimizer]', optimizer);
    await page.fill('#fields [name=lr]', lr);
    await page.getByRole('button', { name: 'Start' }).click();
  };
  const row = (name) => page.locator('#runs tr', { hasText: name });
  /** Pixels of the first curve's color. */
  const inked = () =>
    page.evaluate(() => {
      const canvas = document.querySelector('#chart canvas');
      const probe = Object.assign(document.createElement('span'), { className: 'curve-0' });
      document.body.append(probe);
      const [red, green, blue] = getComputedStyle(probe).backgroundColor.match(/\d+/g).map(Number);
      probe.remove();
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const columns = new Set();
      for (let i = 0; i < data.length; i += 4)
        if (
          Math.abs(data[i] - red) + Math.abs(data[i + 1] - green) + Math.abs(data[i + 2] - blue) < 24 &&
          data[i + 3] > 200
        )
          columns.add((i / 4) % canvas.width);
      return columns.size;
    });
  const stepOf = (name) =>
    row(name)
      .locator('td')
      .nth(3)
      .textContent()
      .then((text) => Number.parseInt(text, 10));

  await page.goto(server.url);
  await until(() => document.querySelector('#link').textContent === 'connected');
  assert.equal(await page.locator('#empty').isVisible(), true);
  await start('adamw', '0.001');
  await until(() => Number.parseInt(document.querySelector('#runs td:nth-child(4)')?.textContent, 10) > 100);
  assert.ok((await inked()) > 50, 'a curve is drawn');
  const before = await stepOf('adamw');
  await until(
    (step) => Number.parseInt(document.querySelector('#runs td:nth-child(4)').textContent, 10) > step + 100,
    before,
  );

  // By the keyboard.
  await row('adamw')
    .getByRole('button', { name: /^Pause/ })
    .press('Enter');
  await until(() => document.querySelector('#runs .state').textContent === 'paused');
  const paused = await stepOf('adamw');
  await row('adamw').getByRole('textbox').fill('0.0005');
  await row('adamw')
    .getByRole('button', { name: /^Set rate/ })
    .click();
  await row('adamw')
    .getByRole('button', { name: /^Resume/ })
    .click();
  await until(
    (step) => Number.parseInt(document.querySelector('#runs td:nth-child(4)').textContent, 10) > step + 100,
    paused,
  );

  await row('adamw').getByRole('button', { name: /^Log/ }).click();
  await until(() => /resumed from step \d+/.test(document.querySelector('#log-lines').value));
  await page.screenshot({ path: path.join(pictures, 'log.png') });
  await row('adamw').getByRole('button', { name: /^Save/ }).dispatchEvent('click');
  await until(() => /resumed from step.*checkpoint of step/s.test(document.querySelector('#log-lines').value));
  await page.getByRole('button', { name: 'Close' }).click();

  await start('muon', '0.02');
  await until(
    () =>
      document.querySelectorAll('#runs tr').length === 2 &&
      Number.parseInt(document.querySelector('#runs td:nth-child(4)').textContent, 10) > 100,
  );
  assert.deepEqual(await page.locator('#runs input:checked').count(), 2);
  assert.equal(await page.locator('#chart .u-series').count(), 3);
  await page.fill('#fields [name=steps]', '-1');
  await page.getByRole('button', { name: 'Start' }).click();
  await until(() => /steps must be a whole number/.test(document.querySelector('#said').textContent));

  await page.screenshot({ path: path.join(pictures, 'light.png') });

  // Over seconds and smoothed, and as files.
  await page.selectOption('#axis', 'time');
  await page.locator('#smooth').fill('0.9');
  await page.waitForTimeout(300);
  assert.ok((await inked()) > 50, 'a curve is drawn over seconds');
  for (const [button, name, begins] of [
    ['#csv', 'loss.csv', /^run,x,loss\n".* [0-9a-f]{8}",\d/],
    ['#png', 'curves.png', /^.PNG\r\n/],
    [
      '#svg',
      'curves.svg',
      /^<svg [^>]*>\n(<[^\n]*\n)*<path d="M[\d. L]{200,}" fill="none"[^\n]*\n(<[^\n]*\n)*<\/svg>\n$/,
    ],
  ]) {
    const [file] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
    assert.equal(file.suggestedFilename(), name);
    assert.match(readFileSync(await file.path(), 'latin1'), begins);
  }
  await page.selectOption('#axis', 'step');
  await page.locator('#smooth').fill('0');
  await page.fill('#filter', 'muon');
  await until(() => document.querySelectorAll('#runs tr').length === 1);
  await page.fill('#filter', '');
  await until(() => document.querySelectorAll('#runs tr').length === 2);

  await page.emulateMedia({ colorScheme: 'dark' });
  await page.locator('#log').check();
  await until(() => getComputedStyle(document.body).backgroundColor === 'rgb(23, 23, 20)');
  await page.waitForTimeout(300);
  assert.ok((await inked()) > 50, 'a curve is drawn in the dark');
  await page.screenshot({ path: path.join(pictures, 'dark.png') });
  await page.setViewportSize({ width: 420, height: 900 });
  await page.waitForTimeout(300);
  await page.screenshot({ path: path.join(pictures, 'narrow.png') });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
  await page.setViewportSize({ width: 1200, height: 1040 });

  server.child.removeAllListeners('exit');
  server.child.kill('SIGKILL');
  await until(() => document.querySelector('#link').hasAttribute('data-bad'));
  await page.screenshot({ path: path.join(pictures, 'disconnected.png') });
  const lost = await stepOf('adamw');
  server = await serve(Number(new URL(server.url).port));
  await until(() => document.querySelector('#link').textContent === 'connected');
  await until(
    (step) => Number.parseInt(document.querySelectorAll('#runs td:nth-child(4)')[1].textContent, 10) > step + 50,
    lost,
  );
  // The run tells where it went on, which the chart marks.
  const { runs } = await (await fetch(new URL('/jobs', server.url))).json();
  assert.ok(runs.find(({ params }) => params.optimizer === 'adamw').starts.at(-1) > 0);
  await page.screenshot({ path: path.join(pictures, 'restarted.png') });
  for (const name of ['adamw', 'muon'])
    await row(name)
      .getByRole('button', { name: /^Cancel/ })
      .click();
  await until(() => [...document.querySelectorAll('#runs .state')].every((state) => state.textContent === 'cancelled'));
  await row('muon')
    .getByRole('button', { name: /^Delete/ })
    .click();
  await until(() => document.querySelectorAll('#runs tr').length === 1);
  assert.deepEqual(wrong, []);
  console.log(`the page holds; pictures in ${path.relative(process.cwd(), pictures)}`);
} finally {
  await browser.close();
  server.child.removeAllListeners('exit');
  server.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
