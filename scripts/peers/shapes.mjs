// The parameters of a small GPT-2: 148 tensors, 29.4 million elements.
const width = 384;
const layer = [
  [width],
  [width],
  [3 * width, width],
  [3 * width],
  [width, width],
  [width],
  [width],
  [width],
  [4 * width, width],
  [4 * width],
  [width, 4 * width],
  [width],
];
export const gpt2Like = [
  [20000, width],
  [1024, width],
  ...Array.from({ length: 12 }, () => layer).flat(),
  [width],
  [width],
];
