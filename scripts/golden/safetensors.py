#!/usr/bin/env python3
"""Writes test/golden/dtypes.safetensors and dtypes.json from the definition of the format, with struct and json alone.

Run: /usr/bin/python3 scripts/golden/safetensors.py
The header is spelled unlike orthokit's own: blanks between tokens, escapes for what is not ASCII, keys in another order.
"""
import json
import pathlib
import struct

# name, dtype, shape, struct code, values (bits for half-precision types)
TENSORS = [
    ("f32", "F32", [2, 3], "f", [0.0, -1.5, 3.25, 1e-30, 1e30, -0.0]),
    ("u8", "U8", [5], "B", [0, 1, 127, 128, 255]),
    ("f64", "F64", [2, 1], "d", [0.1, -1e300]),
    ("f16", "F16", [3], "H", [0x3C00, 0xC000, 0x7C00]),
    ("bf16", "BF16", [1, 2], "H", [0x3F80, 0xFF80]),
    ("i32", "I32", [3], "i", [-(2**31), 0, 2**31 - 1]),
    ("scalar", "F32", [], "f", [42.0]),
    ("empty", "F32", [3, 0, 2], "f", []),
    ("i64", "I64", [1], "q", [-(2**53) - 1]),
    ("größe ∇ 𝛻 \"quoted\" \\ /", "U8", [1], "B", [7]),
    ("__proto__", "U8", [1], "B", [9]),
]
METADATA = {"format": "pt", "note": "line\nbreak, tab\t, 𝛻", "": "empty key"}

data = b""
header = {"__metadata__": METADATA}
for name, dtype, shape, code, values in TENSORS:
    begin = len(data)
    data += struct.pack(f"<{len(values)}{code}", *values)
    header[name] = {"data_offsets": [begin, len(data)], "shape": shape, "dtype": dtype}
# The tensors stand in the header in another order than in the data.
order = ["__metadata__"] + sorted((k for k in header if k != "__metadata__"), reverse=True)
text = json.dumps({key: header[key] for key in order}).encode("ascii")
text += b" " * (-len(text) % 8)

folder = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden"
(folder / "dtypes.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
expected = {
    "madeBy": "scripts/golden/safetensors.py",
    "program": "the format by its definition, without a library: struct and json of Python 3",
    "metadata": METADATA,
    "tensors": [
        {"name": n, "dtype": d, "shape": s, "values": [str(v) for v in values]} for n, d, s, _, values in TENSORS
    ],
}
(folder / "dtypes.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
