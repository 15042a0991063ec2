// The place of cmake-js, which compiles the addon. It is no dependency: only who compiles needs it.
'use strict';
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const range = 'cmake-js@8';

/** The command of the one that is installed here, or undefined. */
function installed() {
  try {
    return [process.execPath, path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js')];
  } catch {
    return undefined;
  }
}

/** The command that npm fetches into its cache; throws with npm's code, such as ECONNREFUSED, where it cannot. */
function fetched() {
  const npm = ['exec', '--yes', `--package=${range}`, '--', 'cmake-js'];
  const { status, error, stderr } = spawnSync('npm', [...npm, '--version'], { encoding: 'utf8' });
  if (status === 0) return ['npm', ...npm];
  const said = /^npm (?:error|ERR!) code (.*)$/m.exec(stderr ?? '')?.[1];
  throw new Error(
    `npm could not fetch ${range} (${said ?? error?.message ?? 'no reason given'}): ` +
      'try again with a connection to its registry, or copy node_modules/cmake-js here from a machine that has one',
  );
}

const advice =
  'cmake-js is not installed, and nothing is downloaded unasked. Install it beside orthokit, and build:\n' +
  `  npm install --save-dev ${range}\n` +
  '  npx orthokit build\n' +
  'or let npm fetch it for this build alone:\n' +
  '  npx orthokit build --install';

module.exports = { advice, fetched, installed };
