// Devices: cpu, cuda
import { columnReduce as reference } from '../../reference/column-reduce.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { describeReduction } from '../../support/reductions.ts';

describeReduction({ op: 'columnReduce', reference, shapes: [...matrixShapes, [5, 16385]] });
