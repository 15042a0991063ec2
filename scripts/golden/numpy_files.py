#!/usr/bin/env python3
"""Writes test/golden/numpy.json: files of NumPy, in base64, and what is in them.

Run: /usr/bin/python3 scripts/golden/numpy_files.py
"""
import base64
import json
import pathlib
import tempfile
import zipfile

import numpy as np

golden = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "numpy.json"
temporary = tempfile.TemporaryDirectory()
folder = pathlib.Path(temporary.name)
matrix = np.arange(6).reshape(2, 3)
special = [0.0, -0.0, 1.5, np.inf, -np.inf, np.nan]

ARRAYS = {
    "f2": np.array(special, "<f2"),
    "f4": np.array(special, "<f4").reshape(2, 3),
    "f8": np.array([[0.1], [-1e300]], "<f8"),
    "i4": np.array([-(2**31), 0, 2**31 - 1], "<i4"),
    "u1": np.array([0, 1, 127, 128, 255], "u1"),
    "bf16": np.array([0x3F80, 0xFF80], "<u2").view("V2"),
    "big-f2": np.array(special, ">f2"),
    "big-f4": np.array(special, ">f4"),
    "big-f8": np.array([0.1, -1e300], ">f8"),
    "big-i4": np.array([-(2**31), 7], ">i4"),
    "scalar": np.float32(42),
    "empty": np.zeros((3, 0, 2), "<f4"),
    "one": np.zeros((1,), "<f4"),
    "transposed": matrix.astype("<f4").T,
    "fortran-3": np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)),
    "fortran-5": np.asfortranarray(np.arange(48, dtype="<i4").reshape(2, 1, 3, 2, 4)),
    "fortran-u1": np.asfortranarray(matrix.astype("u1")),
    "fortran-row": np.asfortranarray(np.arange(4, dtype="<f4").reshape(1, 4)),
    "fortran-big": np.asfortranarray(matrix.astype(">f4")),
    "i8": np.array([-(2**31), -1, 0, 2**31 - 1], "<i8"),
    "big-i8": np.array([-5, 6], ">i8"),
    "i2": np.array([-32768, 5], "<i2"),
    "i1": np.array([-128, 5], "i1"),
    "u2": np.array([65535, 5], "<u2"),
    "u4": np.array([2**31 - 1, 5], "<u4"),
    "u8": np.array([2**31 - 1, 5], "<u8"),
    "bool": np.array([True, False]),
    "too-long": np.array([2**31], "<i8"),
    "too-long-u4": np.array([2**31], "<u4"),
    "too-long-u8": np.array([2**63], "<u8"),
    "c8": np.array([1j], "<c8"),
    "text": np.array(["größe"]),
    "bytes": np.array([b"ab"]),
    "time": np.array(["2020-01-01"], "datetime64[D]"),
    "structured": np.array([(1, 2.0)], [("a 'quoted'", "<i4"), ("b", "<f4", (2,))]),
    "objects": np.array([{}, []], object),
    "six": np.zeros((1, 1, 1, 1, 1, 1), "<f4"),
}


def bits(array):
    """The elements row after row, little-endian."""
    own = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return own.tobytes().hex()


plain = {k: a for k, a in ARRAYS.items() if a.dtype.kind in "fiubV" and a.dtype.names is None}
for name, array in ARRAYS.items():
    np.save(folder / f"{name}.npy", array, allow_pickle=True)
for version in [(2, 0), (3, 0)]:
    with open(folder / f"version-{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, matrix.astype("<f4"), version)
np.savez(folder / "stored.npz", **plain)
np.savez_compressed(folder / "deflated.npz", **plain)
np.savez(folder / "named.npz", **{"größe/∇": matrix.astype("<f4"), "a.b": np.zeros(2, "<f4"), "__proto__": np.ones(1, "u1")})
with zipfile.ZipFile(folder / "mixed.npz", "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr("notes.txt", "no array")
    with file.open("x.npy", "w") as member:
        np.lib.format.write_array(member, matrix.astype("<f4"))
    with file.open("s.npy", "w") as member:
        np.lib.format.write_array(member, ARRAYS["text"])

expected = {
    "madeBy": "scripts/golden/numpy_files.py",
    "program": f"NumPy {np.__version__}",
    "arrays": {
        name: {
            "descr": np.lib.format.dtype_to_descr(a.dtype),
            "shape": a.shape,
            "fortranOrder": bool(a.flags.f_contiguous and not a.flags.c_contiguous),
            "bits": bits(a),
        }
        for name, a in plain.items()
    },
}
expected["files"] = {path.name: base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.iterdir())}
golden.write_text(json.dumps(expected, indent=1) + "\n")
