// The processes of a run that a launcher has started here: it does not hand every signal on, and waits for no one.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Parents of all processes of this machine that may be seen. */
function parents(): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'latin1');
      // After the name, which may have any characters: state, parent.
      found.set(Number(name), Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended.
    }
  }
  return found;
}

const fileOf = (process: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${process}/exe`);
  } catch {
    return undefined;
  }
};

/** The ranks that a launcher has started on this machine: the nearest processes below it that run this Node.js. */
export function ranksBelow(launcher: number): number[] {
  const above = parents();
  const node = fileOf(process.pid);
  const ranks: number[] = [];
  const next = [launcher];
  for (const one of next)
    for (const [child, parent] of above) {
      if (parent !== one) continue;
      if (fileOf(child) === node) ranks.push(child);
      else next.push(child);
    }
  return ranks;
}
