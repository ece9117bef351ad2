#!/usr/bin/env python3
"""Compiles the generated Metal files with clang, with address spaces that are types of their own and nothing but declarations of Apple's
API (tools/metal_api). Given files, it compiles those instead, as Metal 4.0.

clang's SYCL device mode keeps device, constant and threadgroup apart, also in templates. It lets any of them become the default space,
which stands for `thread` here; the syntax tree shows where, and those places are refused too. A method that is marked FT_CONSTANT, which
clang cannot express, is a const volatile one for it: nothing else is volatile.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSIONS = {"simdgroup": 320, "tensor_ops": 400}
CLANG = ["clang++", "-std=c++20", "-target", "spir64", "-Xclang", "-fsycl-is-device", "-fsyntax-only", "-fno-color-diagnostics", "-nostdinc",
         "-Werror", "-Wno-unknown-attributes", "-Wno-unknown-pragmas", "-Wno-undefined-inline", "-Wno-undefined-internal", "-Wno-null-dereference", "-Wno-deprecated-volatile",
         "-Dthread=", "-Ddevice=__attribute__((opencl_global_device))", "-Dconstant=__attribute__((opencl_global_host))",
         "-Dthreadgroup=__attribute__((opencl_local))", f"-I{ROOT}/tools/metal_api", "-x", "c++"]


def as_sycl(text):
    """Generated text in words that clang parses."""
    text = re.sub(r"\) const FT_CONSTANT\b", ") const volatile", text)
    text = re.sub(r"template \[\[host_name\(name\)\]\] \[\[kernel\]\]", "template", text)
    return re.sub(r"threadgroup (typename [\w:]+) (\w+);", r"threadgroup \1& \2 = *(threadgroup \1*)nullptr;", text)


def crossings(tree):
    """(line, what) of each place in a syntax tree where an object is used in another address space than its own."""
    line = 0
    for parent, node, child in zip(tree, tree[1:], tree[2:]):
        if found := re.search(r"<(?:[^,>]*?:|line:)(\d+):\d+", node):
            line = int(found[1])
        used = re.search("'([^']*)'", child)
        if "AddressSpaceConversion" in node:
            is_bfloat = re.search(r"'(const )?bfloat' lvalue <Addr", node)  # which is built in for Apple
            is_constant = "'const volatile " in node and "__global_host" in used[1]
            is_copy = re.search(r"CXXConstructExpr .*'([^']+)' 'void \(const \1 &\)", parent)
            if not is_bfloat and not is_constant and not is_copy:
                yield line, f"{used[1]} is used where `thread` is meant"
        elif re.search(r"'const volatile [^']*' lvalue <NoOp>", node):
            yield line, f"a method for constant objects is called for {used[1]}"


def without_spaces(text):
    """(line, what) of declarations that Metal refuses, as they say no address space. T of a template may have one itself."""
    space = r"(FT_)?(thread|device|constant|threadgroup)\b"
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("//")[0]
        if re.match(rf"\s*(static|inline) constexpr (?!{space})[\w:]+ \w+\s*[={{]", line, re.I):
            yield number, "a constant outside functions is `constant`"
        for declared in re.finditer(r"([\w:]+(?:<[^<>]*>)?(?: const)?)[&*](?= \w|>|\.\.\.|\()", line):
            before = line[:declared.end()]
            if declared[1] != "T" and not re.search(rf"{space}[\w:<>,. ]*[&*]$", before, re.I):
                yield number, f"{declared[0]} says no address space"


def version_of(path):
    return VERSIONS.get(path.stem.split("_", 1)[-1], 400)


def check(path):
    """What is wrong with a generated file, as lines."""
    version = version_of(path)
    if unspaced := [f"{path.name}:{number}: error: {what}" for number, what in without_spaces(path.read_text())]:
        return unspaced
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / path.name
        copy.write_text(as_sycl(path.read_text()))
        command = [*CLANG, f"-D__METAL_VERSION__={version}", str(copy)]
        compiled = subprocess.run(command, capture_output=True, text=True)
        if compiled.returncode != 0:
            return compiled.stderr.replace(folder + "/", "").splitlines()
        tree = subprocess.run(command + ["-Xclang", "-ast-dump"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [f"{path.name}:{line}: error: {what}" for line, what in sorted(set(crossings(tree)))]


def main():
    files = [pathlib.Path(name) for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            for source in sorted([*ROOT.glob("src/ops/*/kernel/instances_metal_*.metal"), *ROOT.glob("tests/metal_emulated/*.metal")]):
                name = source.stem.replace("instances_metal", source.parent.parent.name)
                files.append(pathlib.Path(folder) / f"{name}.metal")
                version = str(version_of(files[-1]))
                subprocess.run([sys.executable, ROOT / "tools/metal_source.py", source, "--version", version, "--output", files[-1]], check=True)
        wrong = [line for file in files for line in check(file)]
    print("\n".join(wrong) if wrong else f"metal: {len(files)} files keep to their address spaces and to Apple's API")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
