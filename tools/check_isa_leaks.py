#!/usr/bin/env python3
"""Finds code compiled for one instruction set that a linker could use for another: check_isa_leaks.py BUILD.

A function that several objects hold is linked once. If such a function from an AVX-512 object has no AVX-512 in its name, the
copy that the linker keeps may run on a CPU without AVX-512. So every shared function of a per-ISA object must carry the
name of its instruction set, which the inline namespaces of primitives.h give it.
"""
import pathlib
import subprocess
import sys

BASELINE = ("cpu_scalar", "cpu_neon")


def shared_functions(objects):
    listing = subprocess.run(["nm", "--demangle", "--defined-only", *objects], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        parts = line.split(maxsplit=2)
        if len(parts) == 3 and parts[1] in "Wu":
            yield parts[2]


def main(build):
    folders = sorted(path for place in ("src", "examples/own_kernels", "tests/dispatch")
                     for path in pathlib.Path(build, place, "CMakeFiles").glob("*_cpu_*.dir"))
    leaks, seen = set(), 0
    for folder in folders:
        isa = folder.name[folder.name.index("_cpu_") + 1:-len(".dir")]
        objects = sorted(folder.rglob("*.o"))
        if isa in BASELINE or not objects:
            continue
        for name in shared_functions(objects):
            seen += 1
            if isa not in name:
                leaks.add(f"{isa}: {name}")
    print("\n".join(sorted(leaks)) or f"{seen} shared functions, each with its instruction set in its name")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
