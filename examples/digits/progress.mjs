/**
 * Shows how a long work goes on: on a terminal as one line that is written over, elsewhere as plain lines.
 *
 * @param {NodeJS.WriteStream} stream
 */
export function progressTo(stream) {
  return {
    /** @param {string} line */
    show(line) {
      stream.write(stream.isTTY ? `\r${line.slice(0, (stream.columns || 80) - 1)}\x1b[K` : `${line}\n`);
    },
    /** Leaves the terminal's line empty for what follows. */
    end() {
      if (stream.isTTY) stream.write('\r\x1b[K');
    },
  };
}
