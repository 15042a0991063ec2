"""onnxruntime's products with matrices of 4 bits in groups of 64, for low-bit.mjs.

usage: low_bit_peer.py side threads accuracy_level
Eight sessions with matrices of their own are run in turn, so that these come from memory.
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

side, threads, level = (int(text) for text in sys.argv[1:4])
group, matrices, rounds = 64, 8, 15
generator = np.random.default_rng(1)


def session():
    codes = generator.integers(0, 256, (side, side // group, group // 2), dtype=np.uint8)
    scales = (generator.random(side * side // group) * 0.01).astype(np.float32)
    node = helper.make_node(
        "MatMulNBits", ["a", "codes", "scales"], ["c"], domain="com.microsoft",
        K=side, N=side, bits=4, block_size=group, accuracy_level=level)
    graph = helper.make_graph(
        [node], "product",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, side])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, side])],
        [onnx.numpy_helper.from_array(codes, "codes"), onnx.numpy_helper.from_array(scales, "scales")])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


sessions = [session() for _ in range(matrices)]
a = generator.random((1, side), dtype=np.float32)
least = float("inf")
clock = time.process_time if threads == 1 else time.perf_counter
for _ in range(rounds):
    begin = clock()
    for one in sessions:
        one.run(None, {"a": a})
    least = min(least, (clock() - begin) / matrices)
print(json.dumps({"min_ms": least * 1e3}))
