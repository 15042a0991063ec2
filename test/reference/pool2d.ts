/** For each window of images [N, H, W, C]: the places of its elements, in order. Rows, columns and places of all. */
export function windowsOf(
  [count, height, width, channels]: readonly [number, number, number, number],
  size: number,
  stride: number,
): { shape: [number, number, number, number]; windows: number[][] } {
  const [rows, columns] = [height, width].map((length) => Math.floor((length - size) / stride) + 1) as [number, number];
  const windows: number[][] = [];
  for (let n = 0; n < count; n++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let c = 0; c < channels; c++)
          windows.push(
            Array.from({ length: size * size }, (_, k) => {
              const [y, x] = [i * stride + Math.floor(k / size), j * stride + (k % size)];
              return ((n * height + y) * width + x) * channels + c;
            }),
          );
  return { shape: [count, rows, columns, channels], windows };
}
