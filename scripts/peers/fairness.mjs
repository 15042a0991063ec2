// Writes scripts/experiments/fairness/scipy.json: what SLSQP of SciPy finds on the problems of the experiment `fairness`.
// usage: node scripts/peers/fairness.mjs    (Debian's python3-scipy)
import path from 'node:path';
import { digits, penalty, samplesOf, width } from '../experiments/fairness/problem.mjs';
import { seeds } from '../experiments/fairness/run.mjs';
import { askPython } from './problem-folder.mjs';

const problems = seeds.map((seed) => ({
  seed,
  penalty,
  width,
  classes: digits.length,
  ...samplesOf('full', seed).train,
}));
const file = path.join(import.meta.dirname, '..', 'experiments', 'fairness', 'scipy.json');
askPython('fairness_peer.py', problems, file);
