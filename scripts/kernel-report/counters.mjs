// What the interpreter counted: of each form of a kernel its largest launch, which edges weigh on least.
import { readFileSync } from 'node:fs';
import { readableNames } from './names.mjs';

/** Below this many bytes of memory a launch says little of its kernel. */
export const enoughBytes = 1 << 16;

const mean = (part, whole, none) => (whole > 0 ? part / whole : none);

/** The ratios that limits are about. */
function ratios(launch) {
  return {
    bytes: mean(launch.moved, launch.least, 1),
    sectors: mean(launch.asked, launch.moved, 1),
    conflicts: mean(launch.sharedPasses, launch.sharedLeast, 1),
    divergence: mean(launch.divergent, launch.warpInstructions, 0),
    local: launch.local,
  };
}

/** Map name → its largest launch with the ratios, from the files of ORTHOKIT_EMULATOR_COUNTERS. */
export function countedLaunches(files) {
  const launches = files
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const names = readableNames(launches.map(({ kernel }) => kernel));
  const largest = new Map();
  const size = ({ least, warpInstructions }) => least + warpInstructions / 1e9;
  for (const [i, launch] of launches.entries()) {
    const before = largest.get(names[i]);
    if (before === undefined || size(launch) > size(before)) largest.set(names[i], { ...launch, ...ratios(launch) });
  }
  return largest;
}
