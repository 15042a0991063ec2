// Processor time of this process, as Linux counts it.
import { existsSync, readFileSync } from 'node:fs';
import { noise } from '../../scripts/test-table/families.mjs';
import { slowness } from '../../scripts/test-table/slowness.mjs';

const stat = '/proc/self/stat';
const msPerTick = 10; // USER_HZ is 100 on every architecture that Node.js runs on

/** Factor of seconds that work may take here, as budgets of families have it: of a slower machine, and of busy neighbours. */
export const allowance = (): number => noise * slowness();

/** Linux counts the time of children that have ended, too. */
export const countsChildren: boolean = existsSync(stat);

/** Milliseconds so far, of all threads and of children that have ended. */
export function processorTime(): number {
  // utime, stime, cutime and cstime stand behind the command, which is in parentheses and may hold anything.
  const fields = readFileSync(stat, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * msPerTick;
}

/**
 * Milliseconds so far, of all threads of this process, in steps of a microsecond or of the system's ticks: how much was
 * done between two times, however long a busy machine kept it waiting.
 */
export function workTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
