"""onnxruntime's products with matrices of 4 bits, for low-bit.mjs and low-bit-table.mjs.

usage: low_bit_peer.py outputs inputs group threads accuracy_level rounds rows…
Sessions with matrices of their own, 96 MB or sixteen at most, are run in turn, so that these come from memory.
Prints the least milliseconds of a product of each number of rows.
"""
import json
import sys
import time

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
except ImportError as error:
    print(json.dumps({"skipped": f"no onnxruntime: {error}"}))
    sys.exit()

outputs, inputs, group, threads, level, rounds = (int(text) for text in sys.argv[1:7])
batches = [int(text) for text in sys.argv[7:]]
matrices = min(16, max(2, -(-(96 << 20) // (outputs * inputs // 2))))
generator = np.random.default_rng(1)


def session():
    codes = generator.integers(0, 256, (outputs, inputs // group, group // 2), dtype=np.uint8)
    scales = (generator.random(outputs * inputs // group) * 0.01).astype(np.float32)
    node = helper.make_node(
        "MatMulNBits", ["a", "codes", "scales"], ["c"], domain="com.microsoft",
        K=inputs, N=outputs, bits=4, block_size=group, accuracy_level=level)
    graph = helper.make_graph(
        [node], "product",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, ["rows", inputs])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, ["rows", outputs])],
        [onnx.numpy_helper.from_array(codes, "codes"), onnx.numpy_helper.from_array(scales, "scales")])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


sessions = [session() for _ in range(matrices)]
clock = time.process_time if threads == 1 else time.perf_counter
times = []
for rows in batches:
    a = generator.random((rows, inputs), dtype=np.float32)
    least = float("inf")
    for _ in range(rounds):
        begin = clock()
        for one in sessions:
            one.run(None, {"a": a})
        least = min(least, (clock() - begin) / matrices)
    times.append(least * 1e3)
print(json.dumps({"min_ms": times}))
