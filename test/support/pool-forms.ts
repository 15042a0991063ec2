/** Images, size, stride: no images, one pixel, rests, gaps, overlaps, channels around SIMD lanes, places beyond 255. */
export const poolForms = [
  [[0, 4, 4, 3], 2, 2],
  [[2, 3, 3, 0], 2, 2],
  [[1, 1, 1, 1], 1, 1],
  [[3, 9, 7, 5], 2, 2],
  [[2, 7, 8, 16], 2, 3],
  [[2, 8, 11, 33], 3, 2],
  [[1, 6, 5, 31], 3, 1],
  [[1, 17, 18, 17], 17, 1],
  [[40, 4, 4, 64], 4, 4],
] as const;
