// Pictures as PNG files of a palette: a third of the bytes of one that keeps every colour, and charts have few.
import UPNG from 'upng-js';

const colours = 64;

/**
 * Encodes what resvg has drawn.
 *
 * @param {{ width: number, height: number, pixels: Uint8Array }} picture RGBA, 4 bytes a pixel
 * @returns {Buffer} a PNG of at most 64 colours
 */
export function png({ width, height, pixels }) {
  return Buffer.from(UPNG.encode([new Uint8Array(pixels).buffer], width, height, colours));
}
