/** Matrices without elements, of one row, of one column, around SIMD lanes, tiles (256) and groups of rows. */
export const matrixShapes: readonly (readonly [rows: number, columns: number])[] = [
  [0, 43],
  [3, 0],
  [1, 1],
  [1, 33],
  [1, 4097],
  [31, 1],
  [4097, 1],
  [32, 32],
  [33, 31],
  [597, 43],
  [257, 300],
];
