import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/**
 * A gray picture of pictures in a grid, each of `side` × `side` values from 0 (paper) to 1 (ink).
 */
export class Sheet {
  /**
   * @param {number} columns
   * @param {number} rows
   * @param {number} side of a picture, in values
   * @param {number} scale pixels a value
   */
  constructor(columns, rows, side, scale) {
    const gap = 4;
    this.pitch = side * scale + gap;
    this.side = side;
    this.scale = scale;
    this.width = columns * this.pitch + gap;
    this.height = rows * this.pitch + gap;
    this.gap = gap;
    this.pixels = new Uint8Array(this.width * this.height).fill(224);
  }

  /** @param {number} column @param {number} row @param {ArrayLike<number>} values */
  draw(column, row, values) {
    const { side, scale, gap, pitch, width, pixels } = this;
    for (let y = 0; y < side * scale; y++)
      for (let x = 0; x < side * scale; x++) {
        const value = values[Math.floor(y / scale) * side + Math.floor(x / scale)];
        const ink = Math.min(1, Math.max(0, value));
        pixels[(row * pitch + gap + y) * width + column * pitch + gap + x] = Math.round(255 * (1 - ink));
      }
  }

  /** @param {string} folder @param {string} name @returns {string} the file */
  write(folder, name) {
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${name}.png`);
    writeFileSync(file, png(this.width, this.height, this.pixels));
    return file;
  }
}

/** @param {number} width @param {number} height @param {Uint8Array} gray */
function png(width, height, gray) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8); // 8 bits of gray
  const lines = Buffer.alloc((width + 1) * height); // each begins with its filter, none
  for (let y = 0; y < height; y++) lines.set(gray.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(lines, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** @param {string} type @param {Buffer} data */
function chunk(type, data) {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  data.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}
