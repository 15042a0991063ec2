import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { Problem } from '../problem.mjs';

/**
 * @import { IncomingMessage } from 'node:http'
 *
 * @typedef {object} Door
 * @property {readonly string[]} hosts names by which the server may be called, beside loopback's and addresses
 * @property {string | undefined} token
 * @property {boolean} readOnly
 */

/**
 * Throws for requests that must not come in, before anything of them is looked at. A page of another site reaches a
 * server on loopback by a name of its own that it makes point there: only the name it asks for tells them apart.
 *
 * @param {IncomingMessage} request
 * @param {Door} door
 */
export function checkDoor({ headers, method = '', url = '/' }, { hosts, token, readOnly }) {
  const host = hostOf(headers.host);
  if (host === undefined || !isOwn(host, hosts)) throw new Problem('ERR_HOST', 'the Host header names another server');
  const { origin } = headers;
  if (origin !== undefined && !isSame(origin, headers.host))
    throw new Problem('ERR_ORIGIN', 'requests of pages from elsewhere are refused');
  // A link from elsewhere may lead to the page; what a page from elsewhere loads by itself may not.
  const isLink = method === 'GET' && headers['sec-fetch-mode'] === 'navigate';
  if (headers['sec-fetch-site'] === 'cross-site' && !isLink)
    throw new Problem('ERR_ORIGIN', 'requests of pages from elsewhere are refused');
  if (token !== undefined && !isPublic(url) && !isToken(headers.authorization, token))
    throw new Problem('ERR_TOKEN', 'the request needs Authorization: Bearer with the token of the server', {
      'WWW-Authenticate': 'Bearer',
    });
  if (readOnly && method !== 'GET' && method !== 'HEAD')
    throw new Problem('ERR_READ_ONLY', 'the server was started with --read-only');
}

/** The page itself, which then asks for the token; and what watches the server. @param {string} url */
const isPublic = (url) =>
  url === '/' || /^\/(page|uplot)\/[\w.-]+$/.test(url) || url === '/healthz' || url === '/readyz';

/** The name or address without the port. @param {string | undefined} host */
function hostOf(host) {
  const [, bracketed, plain] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?$/.exec(host ?? '') ?? [];
  return (bracketed ?? plain)?.toLowerCase();
}

/** @param {string} host @param {readonly string[]} hosts */
const isOwn = (host, hosts) =>
  host === 'localhost' || host.endsWith('.localhost') || isIP(host) !== 0 || hosts.includes(host);

/** @param {string} origin @param {string | undefined} host */
function isSame(origin, host) {
  try {
    const url = new URL(origin);
    return (url.protocol === 'http:' || url.protocol === 'https:') && url.host === host?.toLowerCase();
  } catch {
    return false;
  }
}

/** Takes the same time for every wrong token. @param {string | undefined} authorization @param {string} token */
function isToken(authorization, token) {
  const digest = (/** @type {string} */ text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${token}`));
}
