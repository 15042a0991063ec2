/** Why a job cannot go on, in words that its owner may read. */
export class JobError extends Error {
  /** @param {import('orthokit').ErrorCode} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
