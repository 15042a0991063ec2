// The interpreter's counts: of each form of a kernel its largest launch, which edges weigh on least.
import { readFileSync } from 'node:fs';
import { modelOf } from './models.mjs';
import { readableNames } from './names.mjs';

/** Below this many bytes of memory a launch says little of its kernel. */
export const enoughBytes = 1 << 16;

const mean = (part, whole, none) => (whole > 0 ? part / whole : none);

/** The ratios that limits are about. */
function ratios(launch) {
  return {
    bytes: mean(launch.moved, modelOf(launch) ?? launch.least, 1),
    sectors: mean(launch.asked, launch.moved, 1),
    conflicts: mean(launch.sharedPasses, launch.sharedLeast, 1),
    divergence: mean(launch.divergent, launch.warpInstructions, 0),
    local: launch.local,
  };
}

/** The launches of one file of ORTHOKIT_EMULATOR_COUNTERS, with their kernels' readable names. */
function launchesOf(file) {
  const launches = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const names = readableNames(launches.map(({ kernel }) => kernel));
  return launches.map((launch, i) => ({ ...launch, name: names[i] }));
}

/** Map name → its largest launch with the ratios. */
function largestLaunches(files) {
  const size = ({ least, warpInstructions }) => least + warpInstructions / 1e9;
  const largest = new Map();
  for (const launch of files.flatMap(launchesOf)) {
    const before = largest.get(launch.name);
    if (before === undefined || size(launch) > size(before)) largest.set(launch.name, { ...launch, ...ratios(launch) });
  }
  return largest;
}

/**
 * The same of all sets of cases. A kernel that learns the dtype at run time is looked at in f32 and 16 bits: cases of
 * doubles only where no others launch it, and examples, which are small, last.
 */
export function countedLaunches(files) {
  const rank = (file) => ['-examples', '-double', ''].findIndex((set) => file.includes(`${set}.jsonl`));
  const sets = [0, 1, 2].map((place) => largestLaunches(files.filter((file) => rank(file) === place)));
  return new Map(sets.flatMap((launches) => [...launches]));
}
