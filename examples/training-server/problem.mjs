// Errors as clients see them: RFC 9457 (application/problem+json) with a stable code. Codes are those of the package where
// it has one; the others say what is particular to a server.

/**
 * @typedef {import('orthokit').ErrorCode | 'ERR_NOT_FOUND' | 'ERR_METHOD' | 'ERR_HOST' | 'ERR_ORIGIN' | 'ERR_TOKEN'
 *   | 'ERR_READ_ONLY' | 'ERR_LIMIT' | 'ERR_TOO_LARGE' | 'ERR_MEDIA_TYPE' | 'ERR_HTTP' | 'ERR_RANGE' | 'ERR_INTERNAL'} Code
 */

/** Status and title of each code. @satisfies {Partial<Record<Code, readonly [number, string]>>} */
export const problems = /** @type {const} */ ({
  ERR_ARGUMENT: [400, 'The request has a value that it must not have'],
  ERR_FORMAT: [400, 'The request cannot be read'],
  ERR_SHAPE: [422, 'The data do not fit the model'],
  ERR_UNSUPPORTED: [422, 'That is not supported'],
  ERR_STATE: [409, 'The run is in a state that does not allow it'],
  ERR_NOT_FOUND: [404, 'There is nothing of that name'],
  ERR_METHOD: [405, 'The method is not allowed here'],
  ERR_HOST: [421, 'The host is not served here'],
  ERR_ORIGIN: [403, 'The origin may not use this server'],
  ERR_TOKEN: [401, 'A token is needed'],
  ERR_READ_ONLY: [403, 'The server only reads'],
  ERR_LIMIT: [429, 'The server has as much as it takes'],
  ERR_TOO_LARGE: [413, 'The request is too large'],
  ERR_MEDIA_TYPE: [415, 'The body must be JSON'],
  ERR_HTTP: [400, 'The request is no valid HTTP'],
  ERR_RANGE: [416, 'The range lies outside of the file'],
  ERR_IO: [503, 'The disk does not take it'],
  ERR_INTERNAL: [500, 'The server failed; its log says why'],
});

/** An error that a client may see, as it stands. */
export class Problem extends Error {
  /** @param {keyof typeof problems} code @param {string} detail @param {Record<string, string>} [headers] */
  constructor(code, detail, headers = {}) {
    super(detail);
    this.code = code;
    this.headers = headers;
  }
}

/** @param {keyof typeof problems} code @param {string} detail @param {string} request its number, which the log has, too */
export function problemBody(code, detail, request) {
  const [status, title] = problems[code];
  return JSON.stringify({ type: `/errors#${code}`, title, status, detail, code, instance: `/requests/${request}` });
}
