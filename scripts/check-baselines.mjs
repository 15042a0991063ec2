// Memory of a device in tests: what is there before a call is asked of settledMemory, since garbage of earlier tests is
// collected at any time; device.info.memory is read in an expectation alone, or less what was there before.
// usage: node scripts/check-baselines.mjs [root]
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = process.argv[2] ?? path.join(import.meta.dirname, '..');
/** Asks once the garbage is gone. */
const own = 'test/support/settled.ts';
/** Tests of scripts open no device; one of them quotes what is refused here. */
const scripts = 'test/scripts/';

const reading = /\binfo\.memory\b|\bmemory\b[^;=\n]*\}\s*=[^;\n]*\.info;/g;
const expected = /\bexpect\(\s*[\w.]*\.$/;
const difference = /^info\.memory\.\w+\s*-/;

/** The lines of a text that read the memory of a device otherwise. */
function faultsOf(text) {
  return [...text.matchAll(reading)]
    .filter(({ index }) => !expected.test(text.slice(0, index)) && !difference.test(text.slice(index)))
    .map(({ index }) => text.slice(0, index).split('\n').length);
}

const faults = readdirSync(path.join(root, 'test'), { recursive: true })
  .map((file) => path.posix.join('test', file.replaceAll(path.sep, '/')))
  .filter((file) => file.endsWith('.ts') && file !== own && !file.startsWith(scripts))
  .sort()
  .flatMap((file) => faultsOf(readFileSync(path.join(root, file), 'utf8')).map((line) => `${file}:${line}`));
for (const fault of faults) console.error(`${fault}: a baseline of memory must be of settledMemory (${own})`);
if (faults.length > 0) process.exitCode = 1;
