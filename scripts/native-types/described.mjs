import { execFileSync } from 'node:child_process';
import path from 'node:path';

const bench = path.join(import.meta.dirname, '..', '..', 'build', 'cpu', 'orthokit_bench');
const said = (flag) => execFileSync(bench, [flag], { encoding: 'utf8', maxBuffer: 1 << 26 });

/** Every operation with its fields, and with what its check demands on its examples. */
export function described() {
  const lines = said('--demands').trimEnd().split('\n');
  const demands = new Map(lines.map((line) => JSON.parse(line)).map((op) => [op.name, op.demands]));
  return JSON.parse(said('--describe')).map((op) => ({ ...op, demands: demands.get(op.name) }));
}
