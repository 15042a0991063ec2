// Writes scripts/experiments/softmax/scipy.json: what trust regions of SciPy ask for on the problems of the experiment `softmax`.
// usage: node scripts/peers/softmax.mjs    (Debian's python3-scipy)
import path from 'node:path';
import { problemOf } from '../experiments/softmax/problems.mjs';
import { data, penalties, seeds, tolerance } from '../experiments/softmax/run.mjs';
import { askPython } from './problem-folder.mjs';

const problems = data.flatMap((name) =>
  penalties.flatMap((l2) =>
    seeds.map((seed) => ({ data: name, l2, seed, tolerance, ...problemOf(name, 'full', seed) })),
  ),
);
const file = path.join(import.meta.dirname, '..', 'experiments', 'softmax', 'scipy.json');
askPython('softmax_peer.py', problems, file);
