import type { Device } from '../../core/device.ts';
import { Owned } from '../../core/owned.ts';
import { give, lend, Tensor } from '../../core/tensor.ts';
import { spanBytes } from '../contents.ts';
import { tensorDtype } from './dtypes.ts';
import type { TensorFile } from './file.ts';

/** A new tensor with the elements of one in a file; `onBytes` hears of each span. */
export async function newTensor(
  op: string,
  device: Device,
  file: Pick<TensorFile, 'tensors' | 'read' | 'readSpans'>,
  name: string,
  onBytes?: (count: number) => void,
): Promise<Tensor> {
  const info = file.tensors.get(name)!;
  using owned = new Owned<Tensor>();
  const tensor = owned.add(new Tensor(device, info.shape, tensorDtype(op, name, info)));
  if (info.byteLength <= spanBytes) {
    give(tensor, await file.read(name, onBytes));
  } else {
    // Host memory for all of it would take the system longer to find than the file to be read.
    using flat = tensor.reshape([tensor.size]);
    await file.readSpans(name, (span, first) => {
      using part = flat.rows(first, first + span.length);
      const taken = lend(part, span);
      onBytes?.(span.byteLength);
      return taken;
    });
  }
  // The arrays are there until they have been copied to the device.
  await device.flow();
  owned.move();
  return tensor;
}
