"""The judgement of tools/bench-compare, on numbers whose answer is known."""
import importlib.machinery
import importlib.util
import pathlib
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/bench-compare"
loader = importlib.machinery.SourceFileLoader("bench_compare", str(TOOL))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_compare", loader))
loader.exec_module(tool)


def rounds(a, same, new):
    """Samples of three rounds in which the machine itself becomes slower: only ratios within a round mean anything."""
    return {name: [ms * drift for drift in (1.0, 1.5, 3.0)] for name, ms in (("A", a), ("A'", same), ("B", new))}


class Judgement(unittest.TestCase):
    def test_ratios_are_of_speed_and_taken_within_a_round(self):
        same, new = tool.ratios(rounds(a=10.0, same=10.1, new=20.0))
        self.assertAlmostEqual(same, 10.0 / 10.1)
        self.assertAlmostEqual(new, 0.5)

    def test_one_disturbed_round_changes_nothing(self):
        samples = {"A": [10.0] * 15, "A'": [10.0] * 15, "B": [10.0] * 14 + [90.0]}
        self.assertEqual(tool.ratios(samples), (1.0, 1.0))

    def test_a_loss_beyond_the_machines_own_and_a_hundredth_fails(self):
        samples = {"quiet": rounds(10, 10, 10), "noisy": rounds(10, 10 / 0.98, 10), "just": rounds(10, 10, 10 / 0.971),
                   "slower": rounds(10, 10, 10 / 0.969), "faster": rounds(10, 10, 5)}
        verdicts, noise = tool.judged(samples)
        self.assertAlmostEqual(noise, 0.98)
        self.assertEqual({cell for cell, (_, _, fails) in verdicts.items() if fails}, {"slower"})
        text, status = tool.summary(verdicts, noise)
        self.assertEqual(status, 1)
        self.assertIn("slower: B/A 0.969", text)
        self.assertIn("1 of 5 cells are slower than 0.970 of BASE (smallest A'/A 0.980, less 0.01)", text)
        self.assertNotIn("too busy", text)

    def test_nothing_lost_is_success(self):
        text, status = tool.summary(*tool.judged({"one": rounds(10, 10, 10)}))
        self.assertEqual(status, 0)
        self.assertIn("0 of 1 cells", text)

    def test_a_busy_machine_is_told(self):
        text, _ = tool.summary(*tool.judged({"one": rounds(10, 12.5, 10)}))
        self.assertIn("too busy to tell: the same library took 1.25 times as long as itself", text)

    def test_the_cells_are_those_of_the_rule(self):
        cells = tool.cells([1, 2])
        self.assertEqual(len(cells), 2 * 3 * (2 * 2 * 2 + 2 + 1))
        self.assertEqual(cells["2T bf16 S=2048 D=128 causal"], "attention bf16 2 {seconds} 1 1 16 16 2048 2048 128")
        self.assertEqual(cells["1T f16 decode 32768"], "attention f16 1 {seconds} 0 1 32 8 1 32768 128")
        self.assertEqual(cells["1T f32 gemm 2048"], "gemm f32 1 {seconds} 2048 2048 2048")

    def test_each_takes_each_turn_as_often(self):
        for place in range(3):
            self.assertEqual({turn[place] for turn in tool.TURNS}, {"A", "A'", "B"})


if __name__ == "__main__":
    unittest.main()
