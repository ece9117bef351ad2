"""flashtile for Spack 1.0 and newer, built from branch main of the clone that this file lies in."""
import pathlib

from spack.package import *
from spack_repo.builtin.build_systems.cmake import CMakePackage

ROOT = pathlib.Path(__file__).resolve().parents[6]


class Flashtile(CMakePackage):
    """Exact attention for C++ without a framework, and the tile primitives it is written on."""

    git = f"file://{ROOT}"
    license("Apache-2.0")

    version("main", branch="main")

    variant("shared", default=True, description="libflashtile.so instead of libflashtile.a")
    variant("c", default=False, description="the C interface, libflashtile_c.so")
    variant("cli", default=False, description="the command line flashtile")
    variant("cuda", default=False, description="NVIDIA GPUs, from compute capability 8.0 on")

    depends_on("cxx", type="build")
    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("intel-oneapi-tbb@2021.9:")
    depends_on("cuda@13:", when="+cuda")
    with when("+cli"):
        depends_on("cli11", type="build")
        depends_on("fmt")
        depends_on("nlohmann-json", type="build")
        depends_on("zlib-api")

    conflicts("%gcc@:11", msg="C++20 is needed")
    conflicts("platform=windows", msg="flashtile builds on Linux and macOS, and on Windows inside WSL")

    def cmake_args(self):
        return [
            self.define("FLASHTILE_CBLAS", "OFF"),
            self.define("FLASHTILE_METAL", "OFF"),
            self.define("FLASHTILE_METAL_EMULATOR", "OFF"),
            self.define("FLASHTILE_ONEDNN", "OFF"),
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define_from_variant("FLASHTILE_C", "c"),
            self.define_from_variant("FLASHTILE_CLI", "cli"),
            self.define_from_variant("FLASHTILE_CUDA", "cuda"),
        ]
