// Writes link-time stand-ins for glibc, so that a binary linked here loads with an older glibc.
// usage: node scripts/glibc-floor.mjs 2.28 <folder> [cc]
// Link with -L<folder> first, and with --no-as-needed <folder>/{libpthread.so.0,libdl.so.2,librt.so.1}.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [floor, folder, cc = 'gcc'] = process.argv.slice(2);
if (floor === undefined || folder === undefined) {
  console.error('usage: node scripts/glibc-floor.mjs <version> <folder> [cc]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
const objdump = run(cc, '-print-prog-name=objdump').trim();
const locate = (library) => run(cc, `-print-file-name=${library}`).trim();
const inFolder = (name) => path.join(path.resolve(folder), name);

function compareVersions(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Symbol → its newest version that the floor has. */
function symbolsOf(library) {
  const line = /^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+\(?GLIBC_([0-9.]+)\)?\s+(\S+)$/gm;
  const newest = new Map();
  for (const [, flags, section, size, version, name] of run(objdump, '-T', locate(library)).matchAll(line)) {
    const local = flags.includes('l');
    if (local || section === '*UND*' || section === '*ABS*' || compareVersions(version, floor) > 0) continue;
    const known = newest.get(name);
    if (known && compareVersions(version, known.version) <= 0) continue;
    newest.set(name, { version, isObject: flags.includes('O'), bytes: Math.max(1, Number.parseInt(size, 16)) });
  }
  return newest;
}

// Without this section newer loaders refuse the file, because it seems to ask for an executable stack.
const noExecutableStack = '.section .note.GNU-stack,"",%progbits\n';

function assembly(symbols) {
  const blocks = [...symbols].map(([name, { version, isObject, bytes }], i) => {
    const label = `stand_in_${i}`;
    const body = isObject
      ? `.data\n.balign 16\n.globl ${label}\n.type ${label},%object\n.size ${label},${bytes}\n${label}: .zero ${bytes}\n`
      : `.text\n.globl ${label}\n.type ${label},%function\n${label}: nop\n`;
    return `${body}.symver ${label},${name}@@GLIBC_${version}\n`;
  });
  return noExecutableStack + blocks.join('');
}

/** Each version inherits from the one before, as in glibc itself. */
function versionScript(symbols) {
  const versions = [...new Set([...symbols.values()].map(({ version }) => version))].sort(compareVersions);
  return versions
    .map((version, i) =>
      i === 0 ? `GLIBC_${version} { local: stand_in_*; };` : `GLIBC_${version} { } GLIBC_${versions[i - 1]};`,
    )
    .join('\n');
}

function linkStandIn(library, source, ...flags) {
  const file = inFolder(`${library}.s`);
  writeFileSync(file, source);
  run(cc, '-shared', '-nostdlib', `-Wl,-soname,${library}`, ...flags, '-o', inFolder(library), file);
}

for (const library of ['libc.so.6', 'libm.so.6']) {
  const symbols = symbolsOf(library);
  const script = inFolder(`${library}.map`);
  writeFileSync(script, versionScript(symbols));
  linkStandIn(library, assembly(symbols), `-Wl,--version-script=${script}`);
}
// Before 2.34 threads, dlopen and shm_open lived in these; naming them makes an old loader look there.
for (const library of ['libpthread.so.0', 'libdl.so.2', 'librt.so.1']) linkStandIn(library, noExecutableStack);

const loader = ['ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'].map(locate).find((found) => found.includes('/'));
const quoted = (file) => `"${file}"`;
writeFileSync(
  inFolder('libc.so'),
  `GROUP ( ${quoted(inFolder('libc.so.6'))} ${quoted(locate('libc_nonshared.a'))} AS_NEEDED ( ${quoted(loader)} ) )\n`,
);
writeFileSync(inFolder('libm.so'), `GROUP ( ${quoted(inFolder('libm.so.6'))} )\n`);
