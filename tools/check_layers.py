#!/usr/bin/env python3
"""Checks that #include lines follow the layers of docs/architecture.md; tools/check runs it.

python -> c_api; cli, clients, examples, c_api -> include/flashtile -> ops -> { kernel text -> primitives } and { backends -> core }

A layer is the first pattern of LAYERS that a file's path matches. Project headers must match one of the layer's patterns,
other libraries' headers one of its libraries; the C++ standard library is open to all but kernel text.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

PUBLIC = ["include/flashtile/*.h"]
PRIMITIVES = ["include/flashtile/primitives.h", "include/flashtile/primitives/*", "include/flashtile/dtype.h",
              "include/flashtile/detail/threadgroup_on_cpu.h", "include/flashtile/detail/config.h",
              "include/flashtile/detail/kernel_words.h", "include/flashtile/detail/grid.h"]
CORE = ["src/core/*"]
LAUNCH = ["include/flashtile/launch.h", "include/flashtile/device.h", "include/flashtile/error.h", "include/flashtile/detail/*"]
CUDA = ["cuda*", "cooperative_groups*", "mma.h", "vector_types.h"]
SYSTEM = ["unistd.h", "sys/*", "cpuid.h", "pthread.h", "sched.h", "dlfcn.h", "fcntl.h"]
SMALL_OPS = ["merge_attention", "rotary", "append_kv"]
INTRINSICS = ["immintrin.h", "x86intrin.h", "arm_neon.h"]

# (files, project headers they may include, libraries they may include)
LAYERS = [
    ("include/flashtile/primitives/cuda/*", PRIMITIVES + LAUNCH, CUDA),
    ("include/flashtile/primitives/metal/*", PRIMITIVES, ["MetalPerformancePrimitives/*"]),
    ("include/flashtile/primitives/*/launch.h", PRIMITIVES + LAUNCH, []),
    ("include/flashtile/primitives*", PRIMITIVES, INTRINSICS),
    ("include/flashtile/detail/cuda_calls.h", PUBLIC, CUDA),
    ("include/flashtile/flashtile.h", [], []),  # C
    ("include/flashtile/*", PUBLIC + ["include/flashtile/detail/*", "include/flashtile/primitives/*/launch.h"], []),
    ("src/core/*", PUBLIC + CORE, SYSTEM),
    ("src/io/*", PUBLIC + CORE + ["src/io/*"], SYSTEM + ["zlib.h", "nlohmann/*"]),
    # compiled with each kernel file, at run time; needs no header of the C++ library but the one for places in the source
    ("src/metal_emulator/device/*", ["src/metal_emulator/device/*"], []),
    ("src/metal_emulator/*", ["include/flashtile/error.h", "src/metal_emulator/*"], ["boost/context/*", "fmt/*", "sanitizer/*", "spawn.h", "link.h", "signal.h", "ucontext.h"] + SYSTEM),
    ("src/backends/cuda/*", PUBLIC + CORE + LAUNCH + ["src/backends/*"], CUDA + SYSTEM),
    ("src/backends/metal/*", PUBLIC + CORE + LAUNCH + ["src/backends/*"], ["Foundation/*", "Metal/*"] + SYSTEM),
    ("src/backends/*", PUBLIC + CORE + LAUNCH + ["src/backends/*"], ["tbb/*", "oneapi/tbb/*"] + SYSTEM),
    ("src/ops/gemm/kernel/*instances*", PUBLIC + PRIMITIVES + CORE + LAUNCH + ["src/ops/gemm/*", "src/ops/common/*", "src/backends/*"], CUDA),
    ("src/ops/gemm/kernel/*", PRIMITIVES + LAUNCH + ["src/ops/gemm/kernel/*", "src/ops/common/kernel/*"], []),
    ("src/ops/gemm/*", PUBLIC + CORE + LAUNCH + ["src/backends/*", "src/ops/gemm/*", "src/ops/common/*"],
     ["cublas*", "cudnn*", "oneapi/dnnl/*"] + CUDA + SYSTEM),
    ("src/ops/attention/kernel/*instances*", PUBLIC + PRIMITIVES + CORE + LAUNCH +
     ["src/ops/attention/*", "src/ops/common/*", "src/backends/*"], CUDA),
    ("src/ops/attention/kernel/*", PRIMITIVES + LAUNCH + ["include/flashtile/score_stage.h", "src/ops/attention/kernel/*", "src/ops/common/kernel/*"], []),
    # attention may use the ops before it, gemm; gemm may not use attention
    ("src/ops/attention/*", PUBLIC + CORE + LAUNCH + ["src/backends/*", "src/ops/attention/*", "src/ops/gemm/*", "src/ops/common/*"],
     ["oneapi/dnnl/*", "cublas*", "cudnn*"] + CUDA + INTRINSICS + SYSTEM),
    # small ops: one kernel each, by FLASHTILE_KERNEL; kernel text of attention is theirs too
    *[(f"src/ops/{op}/kernel/instances*", PUBLIC + PRIMITIVES + LAUNCH + [f"src/ops/{op}/*"], CUDA) for op in SMALL_OPS],
    *[(f"src/ops/{op}/kernel/*", PRIMITIVES + ["src/ops/*/kernel/*"], []) for op in SMALL_OPS],
    *[(f"src/ops/{op}/*", PUBLIC + CORE + ["src/backends/*", f"src/ops/{op}/*", "src/ops/rotary/*", "src/ops/common/*"], []) for op in SMALL_OPS],
    ("src/ops/common/kernel/*", PRIMITIVES + ["src/ops/common/kernel/*"], []),
    ("src/ops/common/row_strides.h", CORE + ["src/ops/attention/kernel/params.h"], []),
    ("src/ops/common/*", PUBLIC + CORE + LAUNCH + ["src/backends/*", "src/ops/common/*"], CUDA + SYSTEM),
    # one header of core: exceptions become results in one place
    ("c_api/*", PUBLIC + ["c_api/*", "src/core/attempt.h"], []),
    # the generated Metal kernels: a part of the library on macOS, and of device metal-emulated
    ("src/metal_kernels/*", PUBLIC + PRIMITIVES + CORE + LAUNCH + ["src/backends/*", "src/ops/*", "src/metal_kernels/*"], ["*.metal.inc"]),
    # who links it has device metal-emulated; nothing includes it
    ("src/metal_emulated/*", PUBLIC + PRIMITIVES + CORE + LAUNCH + ["src/backends/*", "src/ops/*", "src/metal_emulator/*.h", "src/metal_emulated/*"],
     SYSTEM),
    ("cli/*", PUBLIC + ["src/io/*", "src/metal_emulator/*.h", "cli/*", "bench/*", "reference/*"], ["CLI/*", "fmt/*", "nlohmann/*"] + SYSTEM),
    # programs that others wrote, by what each of them calls
    ("clients/ggml/*", PUBLIC + ["clients/ggml/*"], ["ggml*.h"]),
    ("packaging/*", PUBLIC, []),
    # whole models, whose weights lie in files
    *[(f"examples/{model}", PUBLIC + ["examples/weights.h", "examples/" + model, "src/io/*.h"], []) for model in ("minilm/*", "smollm/*", "weights.h")],
    ("examples/*", PUBLIC + PRIMITIVES + ["examples/*"], []),
    # the oracle shares no code with what it judges
    ("reference/*", ["reference/*"], []),
]
STANDARD = re.compile(r"^[a-z0-9_]+$|^(std[a-z]*|math|string|errno|float|limits|signal|time)\.h$")
KERNEL_TEXT = re.compile(r"^src/ops/\w+/kernel/(?!.*instances)")


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def resolve(name, source):
    """The repository path of a project header, or None when the name is another library's."""
    for candidate in (ROOT / "include" / name, ROOT / name, (ROOT / source).parent / name):
        if candidate.exists():
            return candidate.resolve().relative_to(ROOT).as_posix()
    return None


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.h", "*.cc", "*.cu", "*.cuh", "*.def"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    problems = []
    for source in (name for name in listed if (ROOT / name).exists()):
        layer = next((layer for layer in LAYERS if fnmatch.fnmatchcase(source, layer[0])), None)
        if layer is None:
            if not source.startswith(("tests/", "bench/", "fuzz/", "tools/")):
                problems.append(f"{source}: belongs to no layer of tools/check_layers.py")
            continue
        for number, line in enumerate((ROOT / source).read_text().splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if not include:
                continue
            name, target = include.group(1), resolve(include.group(1), source)
            if target is not None:
                allowed = matches(target, layer[1])
            elif name.startswith(("flashtile/", "src/")):
                problems.append(f"{source}:{number}: includes {name}, which does not exist")
                continue
            elif STANDARD.match(name):
                allowed = not KERNEL_TEXT.match(source) or name in ("cstdint", "cstddef", "stdint.h", "stddef.h")
            else:
                allowed = matches(name, layer[2])
            if not allowed:
                problems.append(f"{source}:{number}: {layer[0]} may not include {name}")
    print("\n".join(problems) or f"layers: {len(listed)} files follow the arrows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
