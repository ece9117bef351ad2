"""flashtile for Conan 2, built from the clone that this file lies in: conan create packaging/conan --build=missing."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

TREE = ("CMakeLists.txt", "LICENSE", "c_api/*", "cmake/*", "include/*", "src/*")


class Flashtile(ConanFile):
    name = "flashtile"
    description = "Exact attention for C++ without a framework, and the tile primitives it is written on"
    license = "Apache-2.0"
    topics = ("attention", "gemm", "simd", "cuda")
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "cuda": [True, False], "c": [True, False]}
    default_options = {"shared": False, "fPIC": True, "cuda": False, "c": False}
    implements = ["auto_shared_fpic"]
    package_type = "library"

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        self.version = re.search(r"project\(flashtile VERSION ([0-9.]+)", load(self, os.path.join(self._root, "CMakeLists.txt")))[1]

    def export_sources(self):
        for pattern in TREE:
            copy(self, pattern, self._root, self.export_sources_folder)

    def validate(self):
        check_min_cppstd(self, 20)

    def requirements(self):
        self.requires("onetbb/[>=2021.8]")

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for name in ("FLASHTILE_CBLAS", "FLASHTILE_CLI", "FLASHTILE_METAL", "FLASHTILE_METAL_EMULATOR", "FLASHTILE_ONEDNN"):
            toolchain.cache_variables[name] = "OFF"
        toolchain.cache_variables["FLASHTILE_CUDA"] = "ON" if self.options.cuda else "OFF"
        toolchain.cache_variables["FLASHTILE_C"] = "ON" if self.options.c else "OFF"
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        for folder in ("lib/pkgconfig", "share"):
            rmdir(self, os.path.join(self.package_folder, folder))

    def package_info(self):
        # flashtile's own CMake package has flashtile_add_kernels, too.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = ["lib/cmake/flashtile"]
        self.cpp_info.libs = ["flashtile"]
        self.cpp_info.requires = ["onetbb::onetbb"]
        self.cpp_info.system_libs = ["dl", "pthread"] if self.settings.os == "Linux" else []
