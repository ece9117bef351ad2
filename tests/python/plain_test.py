"""The package with Python alone: memoryviews, errors, plans, structs, threads and processes."""
import array
import ast
import ctypes
import inspect
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import threading
import unittest

import flashtile
from flashtile import _library

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def floats(shape, values):
    count = 1
    for size in shape:
        count *= size
    return memoryview(array.array("f", (list(values) * count)[:count])).cast("B").cast("f", shape)


def call():
    """Two queries, two equal keys whose values are 1 and 3."""
    return floats((1, 1, 2, 4), [1]), floats((1, 1, 2, 4), [1]), floats((1, 1, 2, 2), [1, 1, 3, 3])


def child_computes(queue):
    queue.put(flashtile.attention(*call()).tolist())


class Buffers(unittest.TestCase):
    def test_a_memoryview_for_memoryviews(self):
        out = flashtile.attention(*call())
        self.assertIsInstance(out, memoryview)
        self.assertEqual(out.tolist(), [[[[2, 2], [2, 2]]]])

    def test_out_and_lse(self):
        out = floats((1, 1, 2, 2), [0])
        given, lse = flashtile.attention(*call(), out=out, return_lse=True)
        self.assertIs(given, out)
        self.assertEqual(out.tolist(), [[[[2, 2], [2, 2]]]])
        self.assertAlmostEqual(lse[0, 0, 1], 2 + 0.69314718, places=6)

    def test_read_only(self):
        q, k, v = call()
        self.assertEqual(flashtile.attention(q.toreadonly(), k, v).tolist(), [[[[2, 2], [2, 2]]]])
        with self.assertRaisesRegex(ValueError, "out is read-only"):
            flashtile.attention(q, k, v, out=floats((1, 1, 2, 2), [0]).toreadonly())

    def test_gemm(self):
        a, b = floats((2, 2), [1, 2, 3, 4]), floats((2, 2), [1, 0, 1, 1])
        self.assertEqual(flashtile.gemm(a, b).tolist(), [[3, 2], [7, 4]])
        self.assertEqual(flashtile.gemm(a, b, out=floats((2, 2), [1]), alpha=2, beta=3).tolist(), [[9, 7], [17, 11]])


class Errors(unittest.TestCase):
    def test_kinds(self):
        q, k, v = call()
        for expected, message, arguments, options in (
            (ValueError, "attention: k has head_dim 2, q has 4; they must match", (q, v, v), {}),
            (ValueError, "attention: way is \"none\"; expected one of ", (q, k, v), {"way": "none"}),
            (NotImplementedError, "attention: way vendor.cudnn cannot run this call: ", (q, k, v), {"way": "vendor.cudnn"}),
            (TypeError, "k is a list; expected an array", (q, [1], v), {}),
            (ValueError, "k has elements of format 'Q'", (q, memoryview(array.array("Q", [1])), v), {}),
            (ValueError, "causal is 'left'; expected \"top_left\", \"bottom_right\", a whole number or an array", (q, k, v), {"causal": "left"}),
            (ValueError, "causal is 1.5; expected", (q, k, v), {"causal": 1.5}),
            (ValueError, "query_offset is True; expected", (q, k, v), {"query_offset": True}),
            (ValueError, "causal is True, and q has length 1, k has 2; say which corner", (floats((1, 1, 1, 4), [1]), k, v),
             {"causal": True}),
            (ValueError, "Queue::cpu: threads is -1", (q, k, v), {"threads": -1}),
            (ValueError, "mask.boolean has dtype f32", (q, k, v), {"mask": floats((2, 2), [1])}),
            (ValueError, "out has shape", (q, k, v), {"out": floats((1, 1, 2, 3), [1])}),
        ):
            with self.subTest(message):
                with self.assertRaises(expected) as found:
                    flashtile.attention(*arguments, **options)
                self.assertIn(message, str(found.exception))
        with self.assertRaisesRegex(ValueError, "beta is 1, and out is not given"):
            flashtile.gemm(q, k, beta=1)

    def test_why_a_way_cannot(self):
        with self.assertRaises(NotImplementedError) as found:
            flashtile.attention(*call(), way="vendor.cudnn")
        reason = found.exception.refused["vendor.cudnn"]
        self.assertTrue(reason)
        self.assertEqual(str(found.exception), f"attention: way vendor.cudnn cannot run this call: {reason}")
        with self.assertRaises(ValueError) as found:
            flashtile.attention(*call(), way="none")
        self.assertEqual(found.exception.refused, {})

    def test_a_library_that_is_not_there(self):
        found = subprocess.run([sys.executable, "-c", "import flashtile"], env={**os.environ, "FLASHTILE_LIBRARY": "/nowhere.so"},
                               capture_output=True, text=True)
        self.assertIn("ImportError: flashtile's library cannot be loaded: /nowhere.so", found.stderr)


class Plans(unittest.TestCase):
    def test_says_what_will_run(self):
        plan = flashtile.plan(*call(), way="unfused")
        self.assertEqual((plan.op, plan.way, plan.device, plan.stores_scores), ("attention", "unfused", "cpu", True))
        self.assertGreater(plan.workspace_bytes, 0)
        self.assertIn("simdgroup", plan.refused)
        self.assertTrue(str(plan).startswith("attention by unfused on cpu"))
        self.assertIn("<th>way</th><td>unfused</td>", plan._repr_html_())
        self.assertEqual(flashtile.plan(*call(), return_lse=True).op, "attention")
        self.assertEqual(flashtile.plan_gemm(floats((2, 2), [1]), floats((2, 2), [1])).op, "gemm")

    def test_explain_prints(self):
        found = subprocess.run([sys.executable, "-c", "import plain_test, flashtile; flashtile.explain(*plain_test.call())"],
                               cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
        self.assertTrue(found.stdout.startswith("attention by "), found)

    def test_info(self):
        info = flashtile.info()
        self.assertEqual(info["version"], flashtile.__version__)
        self.assertEqual(info["devices"][0]["device"], "cpu")
        self.assertIn("unfused", [way["way"] for way in info["ways"]["attention"]])
        self.assertIn("metal: none; ", str(info))
        found = subprocess.run([sys.executable, "-m", "flashtile"], capture_output=True, text=True)
        self.assertEqual(found.stdout.splitlines()[0], f"flashtile {flashtile.__version__}")


class Log(unittest.TestCase):
    def tearDown(self):
        flashtile.set_log(None)

    def test_has_each_problem_once(self):
        texts = []
        flashtile.set_log(texts.append)
        for _ in range(2):
            flashtile.attention(*call(), way="tensor_ops")
        with self.assertRaises(NotImplementedError):
            flashtile.attention(*call(), way="vendor.cudnn")
        self.assertEqual(len(texts), 2)
        self.assertTrue(texts[0].startswith("attention of f32 q (1, 1, 2, 4), k "), texts[0])
        self.assertIn("\nattention by tensor_ops on cpu\n", texts[0])
        self.assertIn("way vendor.cudnn cannot run this call", texts[1])
        flashtile.set_log(None)
        flashtile.attention(*call(), way="simdgroup")
        self.assertEqual(len(texts), 2)

    def test_refuses_what_is_no_function(self):
        with self.assertRaisesRegex(TypeError, "callback is 3"):
            flashtile.set_log(3)


class Structs(unittest.TestCase):
    """ctypes believes what it is told: against the list that a test of the C interface keeps."""

    listed = (ROOT / "c_api/abi.txt").read_text()

    def test_layouts(self):
        for name, struct in _library.STRUCTS.items():
            found = f"struct {name}: {ctypes.sizeof(struct)} bytes\n"
            for field, _ in struct._fields_:
                place = getattr(struct, field)
                found += f"  at {place.offset}, {place.size} bytes: {field}\n"
            self.assertIn(found, self.listed)
        self.assertEqual(len(_library.STRUCTS), self.listed.count("\nstruct "))

    def test_functions(self):
        for name, (_, taken) in _library.FUNCTIONS.items():
            declared = re.search(rf"\b{name}\((.*)\)$", self.listed, re.M).group(1)
            parameters = [] if declared == "void" else declared.split(",")
            self.assertEqual(["*" in parameter for parameter in parameters], [kind is ctypes.c_void_p for kind in taken], name)

    def test_numbers(self):
        for name in ("F64", "F32", "F16", "BF16", "I8", "U8", "I32", "INT4", "UINT4", "I64", "CPU", "CUDA", "METAL", "HALVES",
                     "INTERLEAVED", "NOT_GIVEN", "TOP_LEFT", "BOTTOM_RIGHT", "OFFSET", "OFFSETS", "MAX_RANK"):
            self.assertIn(f"number FLASHTILE_{name} {getattr(_library, name)}\n", self.listed)
        for code, kind in ((1, ValueError), (2, NotImplementedError), (3, MemoryError)):
            self.assertIs(_library.EXCEPTIONS[code], kind)
        self.assertEqual(re.findall(r"number FLASHTILE_(?:INVALID_ARGUMENT|UNSUPPORTED|OUT_OF_MEMORY) (\d)", self.listed), ["1", "2", "3"])


class Stubs(unittest.TestCase):
    def test_are_what_the_package_has(self):
        tree = ast.parse((pathlib.Path(flashtile.__file__).parent / "__init__.pyi").read_text())
        found = set()
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.FunctionDef):
                found.add(node.name)
                parameters = inspect.signature(getattr(flashtile, node.name)).parameters.values()
                arguments = node.args
                names = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
                named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
                self.assertEqual(names, [p.name for p in named], node.name)
                given = dict(zip(names[len(arguments.args) - len(arguments.defaults):], (*arguments.defaults, *arguments.kw_defaults)))
                for p in named:
                    if p.default is not p.empty and p.name not in ("return_lse", "return_scores"):
                        self.assertEqual(ast.literal_eval(given[p.name]), p.default, f"{node.name}: {p.name}")
        self.assertEqual(found, set(flashtile.__all__))


class Threads(unittest.TestCase):
    def test_several_at_once(self):
        wrong = []

        def work():
            for _ in range(50):
                if flashtile.attention(*call()).tolist() != [[[[2, 2], [2, 2]]]]:
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_releases_the_gil(self):
        """While a call of some time runs, this thread goes on."""
        shape = (1, 8, 512, 64)
        q = floats(shape, [1])
        done, steps = [], 0

        def work():
            flashtile.attention(q, q, q, way="simdgroup", threads=1)
            done.append(1)

        thread = threading.Thread(target=work)
        thread.start()
        while not done:
            steps += 1
        thread.join()
        self.assertGreater(steps, 100)

    def test_a_number_of_threads(self):
        self.assertEqual(flashtile.attention(*call(), threads=2).tolist(), [[[[2, 2], [2, 2]]]])


class Processes(unittest.TestCase):
    def test_fork_while_another_thread_computes(self):
        q = floats((1, 8, 512, 64), [1])
        stop = []

        def work():
            while not stop:
                flashtile.attention(q, q, q)
                flashtile.attention(q, q, q, threads=2)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(5):
                self.assertEqual(self.forked(), 0)
        finally:
            stop.append(1)
            thread.join()

    @staticmethod
    def forked():
        """The status of a child that computes."""
        child = os.fork()
        if child == 0:
            right = [flashtile.attention(*call(), threads=threads).tolist() == [[[[2, 2], [2, 2]]]] for threads in (None, 2)]
            os._exit(0 if all(right) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def test_multiprocessing(self):
        flashtile.attention(*call())
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method):
                context = multiprocessing.get_context(method)
                queue = context.Queue()
                process = context.Process(target=child_computes, args=(queue,))
                process.start()
                self.assertEqual(queue.get(timeout=60), [[[[2, 2], [2, 2]]]])
                process.join()


if __name__ == "__main__":
    unittest.main()
