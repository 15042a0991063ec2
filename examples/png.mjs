// Pictures as PNG files of a palette: a third of the bytes of one that keeps every colour, and charts have few.
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import UPNG from 'upng-js';

const colours = 64;

/**
 * Encodes what resvg has drawn.
 *
 * @param {{ width: number, height: number, pixels: Uint8Array }} picture RGBA, 4 bytes a pixel
 * @returns {Buffer} a PNG of at most 64 colours
 */
export function png({ width, height, pixels }) {
  return packed(Buffer.from(UPNG.encode([new Uint8Array(pixels).buffer], width, height, colours)));
}

/** The same picture, whose data zlib packs as small as it can. @param {Buffer} file a PNG @returns {Buffer} */
function packed(file) {
  const signature = 8;
  const parts = [file.subarray(0, signature)];
  const data = [];
  for (let at = signature; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const content = file.subarray(at + 8, at + 8 + length);
    if (type === 'IDAT') data.push(content);
    else {
      // All data come before the end, in one chunk.
      if (type === 'IEND') parts.push(chunk('IDAT', deflateSync(inflateSync(Buffer.concat(data)), { level: 9, memLevel: 9 }))); // biome-ignore format: one line
      parts.push(chunk(type, content));
    }
    at += 12 + length;
  }
  return Buffer.concat(parts);
}

/** @param {string} type @param {Buffer} content */
function chunk(type, content) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
