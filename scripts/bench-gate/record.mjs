// Records by machine: { machines: { <machine>: { compiler, ratios: { <name>: rounds } } }, accepted: […] }.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { median } from '../peers/turns.mjs';

export const recordFile = path.join(import.meta.dirname, 'recorded.json');

export const read = (file) =>
  existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { machines: {}, accepted: [] };

/** Processor, its model and its cache, and the instruction set: what a record is for. `line`: of orthokit_bench. */
export function machineOf({ cpu, isa }) {
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  const of = (key) => new RegExp(`^${key}\\s*: (.*)$`, 'm').exec(info)?.[1];
  return `${cpu} (family ${of('cpu family')}, model ${of('model')}, cache ${of('cache size')}), ${isa}`;
}

/** The compiler that CMake chose for the build of the program. */
export function compilerOf(bench) {
  const folder = path.join(path.dirname(bench), 'CMakeFiles');
  const files = existsSync(folder)
    ? readdirSync(folder).map((version) => path.join(folder, version, 'CMakeCXXCompiler.cmake'))
    : [];
  const file = files.find(existsSync);
  if (file === undefined) return 'unknown';
  const text = readFileSync(file, 'utf8');
  const of = (key) => new RegExp(`set\\(CMAKE_CXX_COMPILER_${key} "(.*)"\\)`).exec(text)?.[1];
  return `${of('ID')} ${of('VERSION')}`;
}

/**
 * The record with what a run found: rounds of ratios that are new, worse or better take the place of those recorded; what
 * is the same stays, or small losses would add up unseen.
 */
export function accepted(record, { machine, compiler, commit, date, reason, rows, names }) {
  const before = record.machines[machine]?.ratios ?? {};
  const taken = rows.filter(({ verdict }) => ['new', 'worse', 'better'].includes(verdict));
  const all = { ...before, ...Object.fromEntries(taken.map(({ name, now }) => [name, now])) };
  const ratios = Object.fromEntries(names.filter((name) => name in all).map((name) => [name, all[name]]));
  const change = ({ name, recorded, now, verdict }) =>
    verdict === 'new' ? [] : [{ name, from: median(recorded), to: median(now) }];
  const entry = { date, commit, machine, reason, changes: taken.flatMap(change) };
  return {
    machines: { ...record.machines, [machine]: { compiler, ratios } },
    accepted: [...record.accepted, entry],
  };
}
