// Crops, flips and rolls of images of several sizes.
export const augmentations = [
  { x: [2, 9, 7, 3], out: [2, 9, 7, 3], crop: [1, 2, 5, 4], flip: 'horizontal', rollDown: 3, rollRight: 2 },
  { x: [1, 5, 6, 4], out: [1, 11, 13, 4], crop: [0, 1, 5, 5] },
  { x: [2, 9, 9, 1], out: [2, 4, 3, 1], rollRight: 1 },
  { x: [1, 8, 8, 3], out: [1, 8, 8, 3], crop: [7, 7, 1, 1], flip: 'horizontal' },
  { x: [3, 1, 1, 2], out: [3, 4, 5, 2], rollDown: 3, rollRight: 4 },
  { x: [1, 16, 16, 3], out: [1, 16, 16, 3], crop: [0, 0, 16, 16], rollDown: 15 },
  { x: [0, 3, 3, 1], out: [0, 2, 2, 1] },
  { x: [1, 17, 33, 5], out: [1, 31, 3, 5], crop: [2, 30, 13, 3], flip: 'horizontal', rollRight: 2 },
] as {
  x: number[];
  out: number[];
  crop?: number[];
  flip?: 'none' | 'horizontal';
  rollDown?: number;
  rollRight?: number;
}[];
