"""Reads files of orthokit with NumPy, the safetensors library and, where it is installed, PyTorch.

usage: read.py <folder>: prints, a line of JSON a file, each array's dtype, shape and bits.
"""
import json
import pathlib
import sys

import numpy as np
import safetensors
import safetensors.numpy

try:
    import torch
    import safetensors.torch
except ImportError:
    torch = None

folder = pathlib.Path(sys.argv[1])


def told(array):
    return [str(array.dtype), list(array.shape), np.ascontiguousarray(array).tobytes().hex()]


def by_torch(path):
    """The same of tensors of PyTorch, which has all dtypes."""
    loaded = safetensors.torch.load_file(path)
    bits = {torch.bfloat16: torch.int16}
    return {k: [str(t.dtype), list(t.shape), t.view(bits.get(t.dtype, t.dtype)).numpy().tobytes().hex()] for k, t in loaded.items()}


programs = {"numpy": np.__version__, "safetensors": safetensors.__version__, "torch": torch.__version__ if torch else None}
print(json.dumps({"programs": programs}))
for path in sorted(folder.rglob("*")):
    name = str(path.relative_to(folder))
    if name.endswith(".npy"):
        print(json.dumps({"file": name, "numpy": {"x": told(np.load(path, allow_pickle=False))}}))
    elif name.endswith(".npz"):
        with np.load(path, allow_pickle=False) as arrays:
            print(json.dumps({"file": name, "numpy": {key: told(arrays[key]) for key in arrays}}))
    elif name.endswith(".safetensors"):
        found = {}
        with safetensors.safe_open(path, "np") as file:
            texts = file.metadata() or {}
            for key in file.keys():
                # NumPy has no bf16.
                part = file.get_slice(key)
                found[key] = [part.get_dtype(), list(part.get_shape())]
        line = {"file": name, "safetensors": found, "format": texts.get("format")}
        if torch:
            line["torch"] = by_torch(path)
        print(json.dumps(line))
