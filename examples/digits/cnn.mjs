// A convolutional network for images of 28 × 28 pixels: any object is a model, and its methods are called with values in
// place of its tensors.
import * as nn from 'orthokit/nn';

export class Cnn {
  /**
   * @param {nn.Init} make
   * @param {{ channels?: readonly number[], classes: number }} options channels of the three convolutions; images are
   *   halved between them
   */
  constructor(make, { channels = [32, 64, 128], classes }) {
    // The normalization after a convolution has a shift of its own.
    this.layers = channels.map((outputs, i) => ({
      conv: make.conv2d(i === 0 ? 1 : channels[i - 1], outputs, 3, { bias: false }),
      norm: make.batchNorm(outputs),
    }));
    this.head = make.linear(7 * 7 * channels[2], classes);
  }

  /** @param {nn.Arg} images `[N, 28, 28, 1]` @returns {nn.Value} logits `[N, classes]` */
  forward(images) {
    let x = images;
    for (const [i, { conv, norm }] of this.layers.entries()) {
      if (i > 0) x = nn.pool2d(x, { kind: 'max', size: 2 });
      x = nn.map(nn.batchNorm(norm, nn.conv2d(conv, x, { padding: 'same' })), 'relu');
    }
    const [count, rows, columns, width] = x.shape;
    return nn.linear(this.head, nn.reshape(x, [count, rows * columns * width]));
  }
}
