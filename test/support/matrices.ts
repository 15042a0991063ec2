/**
 * Matrices without elements, of one row, of one column, around SIMD lanes, tiles (256) and groups of rows; rows of fours
 * that a block of threads and the largest block share.
 */
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
  [5, 1028],
  [2, 4100],
];
