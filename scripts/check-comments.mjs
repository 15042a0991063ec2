// Comments: none begins like a riddle ("What …", "Whether …", "Where …", "How many …" in place of a noun), nor does the
// documentation of a thing outside native begin with "Of …", "How …" or "Which …". In lib and native no comment is
// wider than the code, which the formatters leave to us.
// usage: node scripts/check-comments.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = process.argv[2] ?? path.join(import.meta.dirname, '..');
/** Columns of a line. Types stand in comments of the others, which may have lines as wide as these. */
const widths = { lib: 120, native: 100, examples: Infinity, scripts: Infinity, test: Infinity };
const isComment = /^\s*(\/\/|\/\*\*?|\*|# )/;
const riddle = /^\s*(\/\/|\/\*\*?|\*|#) (What|Whether|Where|How many|How much) /;
/** The beginning of documentation on one line. On others a sentence may go on with these words. */
const fragment = /^\s*\/\*\* (Of|How|Which) /;
const isRiddle = (line, folder) => riddle.test(line) || (folder !== 'native' && fragment.test(line));
/** Written by scripts/generate-native-types.mjs from the comments of native/ops. */
const isGenerated = (file) => file.startsWith('lib/core/native-ops');
/** An address has no place to be broken. */
const isAddress = (line) => /https?:\/\/\S+$/.test(line);

/** The faults of a file's comments, each as "line: fault". */
function faultsOf(text, folder) {
  const width = widths[folder];
  return text.split('\n').flatMap((line, at) => {
    if (!isComment.test(line)) return [];
    const columns = [...line].length;
    return [
      ...(isRiddle(line, folder) ? [`${at + 1}: begins like a riddle, name its subject: ${line.trim()}`] : []),
      ...(columns > width && !isAddress(line) ? [`${at + 1}: has ${columns} columns, at most ${width}`] : []),
    ];
  });
}

const faults = Object.keys(widths).flatMap((folder) =>
  (existsSync(path.join(root, folder)) ? readdirSync(path.join(root, folder), { recursive: true }) : [])
    .map((file) => path.join(folder, file))
    .filter((file) => /\.(ts|mjs|cjs|sh|py|h|c|cpp|cu|cuh)$/.test(file) && !isGenerated(file))
    .sort()
    .flatMap((file) =>
      faultsOf(readFileSync(path.join(root, file), 'utf8'), folder).map((fault) => `${file}:${fault}`),
    ),
);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
