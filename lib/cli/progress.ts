// Progress on stderr: one line that changes on a terminal, elsewhere a line for each tenth of a stage.

const everyMs = 100;

/** Progress of a job. */
export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

interface Shown {
  report(progress: Progress): void;
  /** Before anything else is printed. */
  end(): void;
}

export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export const progressOn = (stream: Terminal): Shown => (stream.isTTY ? onTerminal(stream) : inLines(stream));

function onTerminal(stream: Terminal): Shown {
  let shown = 0;
  let begun: { stage: string; at: number; done: number } | undefined;
  return {
    report({ stage, done, total }) {
      const now = performance.now();
      if (begun?.stage !== stage) begun = { stage, at: now, done };
      if (now - shown < everyMs && done < total) return;
      shown = now;
      const rate = (done - begun.done) / (now - begun.at);
      const left = rate > 0 && done < total ? `, ${time((total - done) / rate)} left` : '';
      stream.write(`\r\u001b[K${stage} ${percent(done, total)} %${left}`);
    },
    end() {
      if (begun) stream.write('\r\u001b[K');
    },
  };
}

function inLines(stream: Terminal): Shown {
  let last: string | undefined;
  return {
    report({ stage, done, total }) {
      const tenth = Math.floor(percent(done, total) / 10) * 10;
      const line = `${stage} ${tenth} %`;
      if (line === last) return;
      last = line;
      stream.write(`${line}\n`);
    },
    end() {},
  };
}

const percent = (done: number, total: number): number => (total === 0 ? 100 : Math.floor((100 * done) / total));

function time(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
