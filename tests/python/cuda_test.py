"""The package with PyTorch's tensors on an NVIDIA GPU: results, streams, graphs, and PyTorch's own attention."""
import itertools
import unittest

import torch
from torch.nn import functional

import flashtile
import flashtile.torch
from flashtile.torch import scaled_dot_product_attention, why_pytorch

NEEDS = ["torch", "$FLASHTILE_TEST_GPU"]
DEVICE = "cuda"
TOLERANCE = {torch.float32: 2e-3, torch.float16: 5e-3, torch.bfloat16: 4e-2}  # float32 may be multiplied as TF32


def random(*shape, dtype=torch.float32):
    return torch.randn(*shape, device=DEVICE).to(dtype)


def inputs(q_length=100, kv_length=150, dtype=torch.float16, head=64):
    return [random(2, heads, length, head, dtype=dtype) for heads, length in ((4, q_length), (2, kv_length), (2, kv_length))]


def reference(q, k, v, mask=None):
    """In float64, by PyTorch; mask is added."""
    scores = q.double() @ k.double().repeat_interleave(2, 1).mT / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, -1).nan_to_num(0.0) @ v.double().repeat_interleave(2, 1), scores.logsumexp(-1)


def hidden(visible):
    return torch.where(visible, 0.0, -torch.inf).to(DEVICE)


class Tensors(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def close(self, found, expected, dtype=torch.float16):
        self.assertEqual(found.device.type, DEVICE)
        torch.testing.assert_close(found.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])

    def test_agrees_with_pytorch(self):
        for dtype, causal in itertools.product(TOLERANCE, (None, "top_left", "bottom_right")):
            with self.subTest(dtype=dtype, causal=causal):
                q, k, v = inputs(dtype=dtype)
                visible = torch.ones(100, 150).tril(0 if causal == "top_left" else 50) > 0
                expected, expected_lse = reference(q, k, v, hidden(visible) if causal else None)
                found, lse = flashtile.attention(q, k, v, causal=causal, return_lse=True)
                self.assertEqual((found.dtype, lse.dtype, found.shape), (dtype, torch.float32, q.shape))
                self.close(found, expected, dtype)
                self.close(lse, expected_lse, dtype)
                out = torch.empty_like(q)
                self.assertIs(flashtile.attention(q, k, v, causal=causal, out=out), out)
                torch.testing.assert_close(out, found, rtol=0, atol=0)
        self.assertTrue(flashtile.plan(q, k, v).device.startswith(DEVICE))

    def test_options_that_are_tensors(self):
        q, k, v = inputs()
        keys, lengths = torch.arange(150, device=DEVICE), torch.tensor([150, 37], device=DEVICE, dtype=torch.int32)
        within = hidden(keys < lengths[:, None])[:, None, None]
        self.close(flashtile.attention(q, k, v, kv_lengths=lengths), reference(q, k, v, within)[0])
        mask = torch.rand(100, 150, device=DEVICE) < 0.5
        self.close(flashtile.attention(q, k, v, mask=mask), reference(q, k, v, hidden(mask))[0])
        bias = random(4, 100, 150)
        self.close(flashtile.attention(q, k, v, bias=bias), reference(q, k, v, bias)[0])
        slopes = torch.tensor([0.5, 0.25, 0.125, 0.0625], device=DEVICE)
        distance = (keys - torch.arange(100, device=DEVICE)[:, None]).abs()
        self.close(flashtile.attention(q, k, v, alibi_slopes=slopes), reference(q, k, v, -slopes[:, None, None] * distance)[0])

    def test_packed_sequences_and_pages(self):
        q, k, v = inputs()
        starts = torch.tensor([0, 40, 100], device=DEVICE, dtype=torch.int32)
        rows = [x[0, :, :100].transpose(0, 1).contiguous() for x in (q, k, v)]
        found = flashtile.attention(*rows, q_row_starts=starts, kv_row_starts=starts, causal="bottom_right")
        for first, last in ((0, 40), (40, 100)):
            alone = [x[first:last].transpose(0, 1)[None] for x in rows]
            expected = reference(*alone, hidden(torch.ones(last - first, last - first).tril() > 0))[0]
            self.close(found[first:last], expected[0].transpose(0, 1))
        pools = [x[:, :, :144].unflatten(2, (9, 16)).permute(0, 2, 3, 1, 4).flatten(0, 1).flip(0).contiguous() for x in (k, v)]
        table = torch.arange(18, device=DEVICE, dtype=torch.int32).flip(0).view(2, 9)
        lengths = torch.tensor([144, 144], device=DEVICE, dtype=torch.int32)
        paged = flashtile.attention(q, *pools, block_table=table, kv_lengths=lengths)
        self.close(paged, reference(q, k[:, :, :144], v[:, :, :144])[0])

    def test_quantised_keys_and_values(self):
        q, k, v = inputs()
        scales = [x.float().abs().amax(-1, keepdim=True) / 127 for x in (k, v)]
        codes = [(x.float() / s).round().to(torch.int8) for x, s in zip((k, v), scales)]
        found = flashtile.attention(q, *codes, k_scales=scales[0], v_scales=scales[1])
        self.close(found, reference(q, *[c * s for c, s in zip(codes, scales)])[0])

    def test_the_other_functions(self):
        a, b = random(100, 64, dtype=torch.float16), random(64, 50, dtype=torch.float16)
        self.close(flashtile.gemm(a, b), a.double() @ b.double(), torch.bfloat16)
        q, k, v = inputs()
        parts = [flashtile.attention(q, k[:, :, i], v[:, :, i], return_lse=True) for i in (slice(0, 70), slice(70, 150))]
        self.close(flashtile.merge_attention(*zip(*parts)), reference(q, k, v)[0])
        positions = torch.arange(100, device=DEVICE, dtype=torch.int32)
        turned = flashtile.rotary(q, positions)
        torch.testing.assert_close(flashtile.rotary(turned, positions, inverse=True), q, rtol=5e-3, atol=5e-3)
        caches = [torch.zeros_like(x) for x in (k, v)]
        flashtile.append_kv(*caches, k, v, torch.arange(150, device=DEVICE, dtype=torch.int32))
        torch.testing.assert_close(caches, [k, v], rtol=0, atol=0)

    def test_errors(self):
        q, k, v = inputs()
        with self.assertRaisesRegex(ValueError, "k"):
            flashtile.attention(q, k.cpu(), v.cpu())
        with self.assertRaisesRegex(ValueError, "threads is 2, and the arrays are on a GPU"):
            flashtile.attention(q, k, v, threads=2)
        with self.assertRaisesRegex(ValueError, "head_dim"):
            flashtile.attention(q, k[..., :32].contiguous(), v)


class Streams(unittest.TestCase):
    """A stream sleeps, and then q gets its numbers: who does not wait for it reads zeros."""

    def late(self, compute):
        torch.manual_seed(0)
        q, k, v = inputs()
        expected = reference(q, k, v)[0]
        q_late, stream = torch.zeros_like(q), torch.cuda.Stream()
        compute(q_late, k, v)  # whatever is made once, is made
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(200_000_000)
            q_late.copy_(q)
            found = compute(q_late, k, v)
            self.assertFalse(stream.query(), "the call has waited for the GPU")
        stream.synchronize()
        torch.testing.assert_close(found.double(), expected, rtol=5e-3, atol=5e-3)

    def test_pytorchs_current_stream(self):
        self.late(flashtile.attention)
        self.late(lambda q, k, v: scaled_dot_product_attention(q, k, v, enable_gqa=True))

    def test_a_graph_of_pytorch(self):
        q, k, v = inputs()
        out = torch.empty_like(q)
        flashtile.attention(q, k, v, out=out)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            flashtile.attention(q, k, v, out=out)
        for _ in range(3):
            q.copy_(random(*q.shape, dtype=q.dtype))
            graph.replay()
            torch.cuda.synchronize()
            torch.testing.assert_close(out.double(), reference(q, k, v)[0], rtol=5e-3, atol=5e-3)


class InPlaceOfPytorch(unittest.TestCase):
    def test_every_type_and_mask(self):
        torch.manual_seed(0)
        for dtype, lengths in itertools.product(TOLERANCE, ((90, 90), (90, 130), (1, 400))):
            q, kv = ((2, 4, length, 64) for length in lengths)
            tensors = [random(*shape, dtype=dtype) for shape in (q, kv, kv)]
            boolean = torch.rand(lengths, device=DEVICE) < 0.7
            boolean[:, 0] = True
            for options in ({}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": boolean}, {"attn_mask": random(*lengths, dtype=dtype)}):
                with self.subTest(dtype=dtype, lengths=lengths, options=str(options)):
                    self.assertIsNone(why_pytorch(*tensors, **options))
                    exact = {name: x.double() if name == "attn_mask" and x is not boolean else x for name, x in options.items()}
                    expected = functional.scaled_dot_product_attention(*[x.double() for x in tensors], **exact)
                    for _ in range(2):  # the second call runs on the kept one of the first
                        found = scaled_dot_product_attention(*tensors, **options)
                        self.assertEqual(found.dtype, dtype)
                        torch.testing.assert_close(found.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


if __name__ == "__main__":
    unittest.main()
