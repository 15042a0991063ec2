// reads.mjs <reader> <path>: reads a hostile file in a process of its own, and prints how it ended, how long the event
// loop was held at a stretch, in milliseconds of processor time, and by how many bytes the process grew.
import { loadAdapter } from '../../../dist/adapters/index.js';
import { AdamW, Device, loadTensors, readTensorInfo, readTokenizer, Tensor, transplant } from '../../../dist/index.js';
import { mergeModels } from '../../../dist/merging/index.js';

const [reader, path] = process.argv.slice(2);
const device = Device.open('cpu', { threads: 1 });
const optimizer = new AdamW([Tensor.zeros(device, [2])]);
const model = { l: Array.from({ length: 40 }, () => ({ weight: Tensor.zeros(device, [2, 2]) })) };
const readers = {
  loadTensors: () => loadTensors(path, device),
  readTensorInfo: () => readTensorInfo(path),
  readTokenizer: () => readTokenizer(path),
  load: () => optimizer.load(path),
  loadAdapter: () => loadAdapter(path, model),
  transplant: () =>
    transplant({ base: `${path}/base`, donor: `${path}/donor`, out: `${path}/out`, method: 'mean', device }),
  mergeModels: () =>
    mergeModels({ base: `${path}/base`, models: [`${path}/donor`], out: `${path}/out`, method: 'average', device }),
};

let used = process.cpuUsage();
let held = 0;
let isOver = false;
const turn = () => {
  const { user, system } = process.cpuUsage(used);
  held = Math.max(held, (user + system) / 1000);
  used = process.cpuUsage();
  if (!isOver) setImmediate(turn);
};
globalThis.gc();
const before = process.memoryUsage.rss();
used = process.cpuUsage();
setImmediate(turn);
const code = await readers[reader]().then(
  () => 'accepted',
  (error) => error.code ?? error.stack,
);
isOver = true;
turn();
const growth = process.resourceUsage().maxRSS * 1024 - before;
console.log(JSON.stringify({ code, held, growth }));
await device.close();
