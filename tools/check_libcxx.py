#!/usr/bin/env python3
"""Compiles the library and the command line once with clang and libc++, which is what macOS has; tools/check runs it.

Each source once, kernels for their first instruction set, up to machine code, which says nothing of the C++ library. Nothing is
linked: the system's oneTBB and fmt are built with another C++ library. check_libcxx.py [FILE...] takes only these files.
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/libcxx"


def configured():
    """The compile commands of the library and the command line, one a source: {file: arguments}."""
    off = [f"-DFLASHTILE_{part}=OFF" for part in ("CUDA", "ONEDNN", "METAL_EMULATOR")]  # the last is for Linux
    done = subprocess.run(["cmake", "--preset", "release", "-B", BUILD, "-DCMAKE_CXX_COMPILER=clang++", "-DCMAKE_CXX_FLAGS=-stdlib=libc++",
                           "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DFLASHTILE_WERROR=ON", *off],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"check_libcxx: {done.stdout}{done.stderr}")
    # src/metal_kernels includes what this writes.
    made = subprocess.run(["cmake", "--build", BUILD, "--target", "flashtile_metal"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        sys.exit(f"check_libcxx: {made.stdout}{made.stderr}")
    commands = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        name = pathlib.Path(entry["file"]).relative_to(ROOT).as_posix()
        if name.startswith(("src/", "cli/")):
            commands.setdefault(name, shlex.split(entry["command"]))
    return commands


def complaint_of(arguments):
    """What the compiler says of a source; empty when nothing."""
    at = arguments.index("-o")
    return subprocess.run([*arguments[:at], "-fsyntax-only", *arguments[at + 2:]], cwd=BUILD, capture_output=True, text=True, check=False).stderr


def main(names):
    commands = configured()
    if unknown := set(names) - set(commands):
        sys.exit(f"check_libcxx: not a source of the library or the command line: {', '.join(sorted(unknown))}")
    wanted = {name: commands[name] for name in names or commands}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(filter(None, pool.map(complaint_of, wanted.values())))
    print("\n".join(complaints) or f"clang and libc++: {len(wanted)} sources compile")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
