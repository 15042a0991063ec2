/** One line of JSON a message, to stderr: what clients are not told stands here. @param {string} message @param {Record<string, unknown>} [fields] */
export function log(message, fields = {}) {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), message, ...fields })}\n`);
}
