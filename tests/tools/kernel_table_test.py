"""tools/kernel-table counts what is in a loop, and tells a changed number from another compiler's."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/kernel-table"
loader = importlib.machinery.SourceFileLoader("kernel_table", str(TOOL))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("kernel_table", loader))
loader.exec_module(tool)

# An outer loop from 10 to 40, which calls, around an inner one from 18 to 30; then a loop that multiplies too little.
DISASSEMBLY = """
0000000000000000 <flashtile::kernels::cpu_avx2::flash_cpu::Task<flashtile::half, 8>::step(int, flashtile::Rows const&) const>:
   0:\tpush   %rbp
  10:\tvmovups (%rsi),%ymm0
  18:\tvfmadd231ps (%rdi),%ymm0,%ymm1
  1c:\tvfmadd231ps 0x20(%rsp),%ymm0,%ymm2
  20:\tvfnmadd213ps %ymm3,%ymm0,%ymm2
  24:\tvfmadd132ps %ymm3,%ymm0,%ymm4
  28:\tje     18 <flashtile::kernels::cpu_avx2::flash_cpu::Task<flashtile::half, 8>::step(int, flashtile::Rows const&) const+0x18>
  2c:\tadd    $0x20,%rdi
  30:\tjne    18 <flashtile::kernels::cpu_avx2::flash_cpu::Task<flashtile::half, 8>::step(int, flashtile::Rows const&) const+0x18>
  38:\tcall   3d <flashtile::kernels::cpu_avx2::flash_cpu::Task<flashtile::half, 8>::step(int, flashtile::Rows const&) const+0x3d>
  40:\tjmp    10 <flashtile::kernels::cpu_avx2::flash_cpu::Task<flashtile::half, 8>::step(int, flashtile::Rows const&) const+0x10>
  48:\tret

0000000000000000 <void flashtile::v0_2::primitives::cpu_avx2::panel::detail::product<flashtile::F, 3, (flashtile::Mode)1>(float*)>:
   0:\tvfmadd231ps (%rdi),%ymm0,%ymm1
   8:\tjne    0 <void flashtile::v0_2::primitives::cpu_avx2::panel::detail::product<flashtile::F, 3, (flashtile::Mode)1>(float*)>
  10:\tret
"""

RESOURCES = """
Fatbin elf code:
================
arch = sm_90a
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function _Zkernel:
  REG:168 STACK:96 SHARED:1024 LOCAL:0 CONSTANT[0]:640 TEXTURE:0 SURFACE:0 SAMPLER:0
"""


class Loops(unittest.TestCase):
    def test_only_the_innermost_loop_that_multiplies_counts(self):
        self.assertEqual(tool.hot_loops("cpu_avx2", DISASSEMBLY), {("cpu_avx2", "Task<half, 8>::step #1"): (7, 4, 1, 0)})

    def test_a_call_inside_is_counted(self):
        text = DISASSEMBLY.replace("add    $0x20,%rdi", "call   31 <f>")
        self.assertEqual(tool.hot_loops("cpu_avx2", text)["cpu_avx2", "Task<half, 8>::step #1"], (7, 4, 1, 1))

    def test_names_are_without_what_all_share(self):
        name = "void flashtile::v0_2::primitives::cpu_avx2::panel::detail::product<flashtile::F, 3, (flashtile::Mode)1>(float*)"
        self.assertEqual(tool.short(name), "product<F, 3, 1>")

    def test_arm(self):
        text = "0000000000000000 <f()>:\n" + "".join(f"  {4 * i:x}:\tfmla\tv0.4s, v1.4s, v2.4s\n" for i in range(4)) + \
            "  10:\tldr\tq0, [sp, #16]\n  14:\tb.ne\t0 <f()>  // b.any\n"
        self.assertEqual(tool.hot_loops("cpu_neon", text), {("cpu_neon", "f #1"): (6, 4, 1, 0)})


class Resources(unittest.TestCase):
    def test_registers_stack_and_shared_bytes_of_each_kernel(self):
        long = ("void flashtile::detail::run_on_cuda<flashtile::kernels::cuda::Softmax<flashtile::half> >"
                "(flashtile::kernels::cuda::Softmax<flashtile::half>::Params, flashtile::detail::CudaGrid)")
        self.assertEqual(tool.resources_of(RESOURCES, {"_Zkernel": long}.get), {("sm_90a", "Softmax<half>"): (168, 96, 1024)})


class Comparison(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        tool.TABLES = pathlib.Path(folder.name)
        self.table = tool.Table("t.txt", ("instructions", "calls"), "GCC 12", {("cpu_avx2", "step<half, 8> #1"): (7, 0), ("cpu_amx", "tile #1"): (9, 1)})
        (tool.TABLES / "t.txt").write_text(tool.text_of(self.table))

    def test_what_is_written_is_read_back(self):
        self.assertEqual(tool.committed("t.txt"), ("GCC 12", self.table.rows))
        self.assertEqual(tool.compared(self.table)[0], 0)

    def test_a_changed_number_a_new_row_and_a_lost_row_differ(self):
        for rows in ({("cpu_avx2", "step<half, 8> #1"): (8, 0)}, {("cpu_avx2", "step<half, 8> #1"): (7, 0), ("cpu_avx2", "new #1"): (5, 0)},
                     {("cpu_avx2", "new #1"): (7, 0)}):
            status, text = tool.compared(self.table._replace(rows=rows))
            self.assertEqual(status, 1)
            self.assertIn("say why in the commit", text)
        self.assertIn("+cpu_avx2           step<half, 8> #1            8            0",
                      tool.compared(self.table._replace(rows={("cpu_avx2", "step<half, 8> #1"): (8, 0)}))[1])

    def test_an_instruction_set_that_the_build_lacks_stays(self):
        part = self.table._replace(rows={("cpu_avx2", "step<half, 8> #1"): (7, 0)})
        self.assertEqual(tool.compared(part)[0], 0)
        self.assertEqual(tool.merged(part, *tool.committed("t.txt")).rows, self.table.rows)

    def test_another_compilers_build_is_skipped_with_the_reason(self):
        status, text = tool.compared(self.table._replace(compiler="GCC 13"))
        self.assertEqual((status, text), (tool.SKIPPED, "bench/kernels/t.txt was made of GCC 12, this build of GCC 13"))

    def test_a_table_that_is_not_there_fails(self):
        self.assertEqual(tool.compared(self.table._replace(file="other.txt"))[0], 1)

    def test_a_folder_without_kernels_is_skipped(self):
        out = io.StringIO()
        with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(out):
            self.assertEqual(tool.main([build]), tool.SKIPPED)
        self.assertIn("holds no objects of flash.cpu", out.getvalue())


if __name__ == "__main__":
    unittest.main()
