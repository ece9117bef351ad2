"""The package with PyTorch: tensors in, tensors out, and scaled_dot_product_attention in PyTorch's place."""
import itertools
import unittest

import torch
from torch.autograd import forward_ad
from torch.nn import functional

import flashtile
import flashtile.torch
from flashtile.torch import scaled_dot_product_attention, why_pytorch

NEEDS = ["torch"]
TOLERANCE = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}


def inputs(*shape, kv=None, dtype=torch.float32):
    return [torch.randn(*(shape if kv is None or i == 0 else kv), dtype=dtype) for i in range(3)]


class Tensors(unittest.TestCase):
    def test_agrees_with_pytorch(self):
        torch.manual_seed(0)
        for dtype, tolerance in TOLERANCE.items():
            q, k, v = inputs(2, 3, 10, 16, dtype=dtype)
            found, lse = flashtile.attention(q, k.transpose(1, 2).contiguous().transpose(1, 2), v, causal="top_left", return_lse=True)
            self.assertEqual((found.dtype, lse.dtype), (dtype, torch.float32))
            expected = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
            out = torch.empty_like(q)
            self.assertIs(flashtile.attention(q, k, v, causal="top_left", out=out), out)
            torch.testing.assert_close(out, found, rtol=0, atol=0)

    def test_masks(self):
        q, k, v = inputs(1, 2, 5, 8)
        mask = torch.tensor([True, True, False, True, False])
        expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask.expand(5, 5))
        torch.testing.assert_close(flashtile.attention(q, k, v, mask=mask), expected)

    def test_gradients_are_refused(self):
        q = torch.randn(1, 1, 2, 8, requires_grad=True)
        with self.assertRaisesRegex((BufferError, RuntimeError, ValueError), "grad"):
            flashtile.attention(q, q, q)


class InPlaceOfPytorch(unittest.TestCase):
    """Every call twice: the second one runs on the kept call of the first."""

    def setUp(self):
        torch.manual_seed(0)

    def expect(self, tensors, computes=True, **options):
        expected = functional.scaled_dot_product_attention(*tensors, **options)
        self.assertEqual(why_pytorch(*tensors, **options) is None, computes, why_pytorch(*tensors, **options))
        for _ in range(2):
            found = scaled_dot_product_attention(*tensors, **options)
            tolerance = TOLERANCE.get(found.dtype, 1e-12)
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
        return found

    def test_every_type_mask_and_rank(self):
        for dtype, lengths in itertools.product(TOLERANCE, ((9, 9), (9, 13), (13, 9), (1, 40))):
            for rank in (2, 3, 4):
                q, kv = [(2, 3, length, 16)[4 - rank:] for length in lengths]
                tensors = inputs(*q, kv=kv, dtype=dtype)
                boolean = torch.rand(lengths) < 0.7
                boolean[:, 0] = True
                for options in ({}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": boolean}, {"attn_mask": boolean[:1]},
                                {"attn_mask": torch.randn(lengths, dtype=dtype)}, {"attn_mask": torch.randn(lengths[0], 1, dtype=dtype)}):
                    with self.subTest(dtype=dtype, lengths=lengths, rank=rank, options=str(options)):
                        self.expect(tensors, **options)

    def test_a_mask_of_each_batch_and_head(self):
        tensors = inputs(2, 3, 9, 16, kv=(2, 3, 13, 16))
        for shape in ((2, 1, 1, 13), (2, 1, 9, 13), (1, 3, 9, 13), (3, 9, 13)):
            self.expect(tensors, attn_mask=torch.randn(shape))
            self.expect(tensors, attn_mask=(torch.rand(shape) < 0.5).index_fill(-1, torch.tensor(2), True))

    def test_a_query_that_sees_nothing(self):
        q, k, v = inputs(1, 2, 4, 8)
        mask = torch.ones(4, 4, dtype=torch.bool)
        mask[1] = False
        self.assertTrue((self.expect((q, k, v), attn_mask=mask)[:, :, 1] == 0).all())

    def test_grouped_heads(self):
        tensors = inputs(2, 6, 5, 16, kv=(2, 2, 7, 16))
        self.expect(tensors, enable_gqa=True)
        self.expect([x[0] for x in tensors], enable_gqa=True, is_causal=True)
        for options in ({}, {"enable_gqa": False}):
            with self.assertRaises(RuntimeError):
                functional.scaled_dot_product_attention(*tensors, **options)
            with self.assertRaises(RuntimeError):
                scaled_dot_product_attention(*tensors, **options)

    def test_layouts(self):
        """What a projection gives, and a slice of a packed one; the result's dimensions lie as the query's do."""
        packed = torch.randn(2, 9, 3, 4, 16)
        q, k, v = (packed[:, :, i].transpose(1, 2) for i in range(3))
        found = self.expect((q, k, v))
        self.assertTrue(found.transpose(1, 2).is_contiguous())
        self.assertTrue(self.expect([x.contiguous() for x in (q, k, v)]).is_contiguous())
        found = self.expect((q, k, v[..., :8]))
        self.assertTrue(found.transpose(1, 2).is_contiguous())
        self.expect((q, k[:, :1].expand(-1, 4, -1, -1), v))
        self.expect((q, k.mT.contiguous().mT, v), computes=False)  # a stride in the last dimension

    def test_shapes_of_nothing(self):
        for q, kv in (((0, 2, 3, 8), (0, 2, 5, 8)), ((1, 2, 0, 8), (1, 2, 5, 8)), ((1, 2, 3, 8), (1, 2, 0, 8))):
            self.expect(inputs(*q, kv=kv))

    def test_gradients_are_pytorchs(self):
        ours, theirs = ([x.requires_grad_() for x in inputs(1, 2, 5, 8)] for _ in range(2))
        for mine, other in zip(ours, theirs):
            mine.data.copy_(other.data)
        with torch.no_grad():
            self.expect(ours)
        self.expect(ours, computes=False)  # the same shapes again
        scaled_dot_product_attention(*ours).sum().backward()
        functional.scaled_dot_product_attention(*theirs).sum().backward()
        for mine, other in zip(ours, theirs):
            torch.testing.assert_close(mine.grad, other.grad)
        mask = torch.randn(5, 5, requires_grad=True)
        self.expect([x.detach() for x in ours], computes=False, attn_mask=mask)
        self.expect([torch.nn.Parameter(ours[0], requires_grad=False), *[x.detach() for x in ours[1:]]])

    def test_derivatives_and_batches_of_torch_func(self):
        tensors = inputs(3, 2, 2, 5, 8)
        expected = functional.scaled_dot_product_attention(*tensors)
        for x in tensors:
            self.expect([x[0] for x in tensors])  # a kept call of the shapes that vmap shows
        torch.testing.assert_close(torch.func.vmap(scaled_dot_product_attention)(*tensors), expected)
        q, k, v = (x[0] for x in tensors)

        def of_query(f):
            return torch.func.grad(lambda x: f(x, k, v).square().sum())(q)

        torch.testing.assert_close(of_query(scaled_dot_product_attention), of_query(functional.scaled_dot_product_attention))
        with forward_ad.dual_level():
            self.assertIsNotNone(why_pytorch(forward_ad.make_dual(q, torch.ones_like(q)), k, v))

    def test_what_is_left_to_pytorch(self):
        q, k, v = inputs(1, 2, 5, 8)
        self.expect([x.double() for x in (q, k, v)], computes=False)
        self.expect([x[None] for x in (q, k, v)], computes=False)
        self.expect((q.expand(2, -1, -1, -1), k, v), computes=False)  # it broadcasts the batch
        negated = torch._neg_view(q)
        self.expect((negated, k, v), computes=False)
        self.assertRegex(why_pytorch(q, k, v, dropout_p=0.5), "dropout_p is 0.5")
        dropped = scaled_dot_product_attention(torch.zeros_like(q), k, torch.ones_like(v), dropout_p=0.5)
        self.assertGreater(dropped.std(), 0.01)
        wide = inputs(1, 1, 3, 584)
        self.assertRegex(why_pytorch(*wide), "584")
        self.expect(wide, computes=False)

    def test_errors_are_pytorchs(self):
        q, k, v = inputs(1, 2, 5, 8)
        for tensors, options in (((q, k[..., :4], v), {}), ((q, k, v), {"attn_mask": torch.ones(1, 1, 1, 5, 5)}), ((q, k.half(), v), {}),
                                 ((q, k, v), {"attn_mask": torch.ones(5, 5), "is_causal": True}), ((q, k, v), {"attn_mask": torch.ones(4, 3)})):
            with self.assertRaises(Exception) as expected:
                functional.scaled_dot_product_attention(*tensors, **options)
            with self.assertRaises(type(expected.exception)) as found:
                scaled_dot_product_attention(*tensors, **options)
            self.assertEqual(str(found.exception), str(expected.exception))
        with self.assertRaisesRegex(ValueError, "key has length 5 and value 3"):
            scaled_dot_product_attention(q, k, v[:, :, :3])

    def test_tensors_of_other_classes(self):
        class Counted(torch.Tensor):
            calls = []

            @classmethod
            def __torch_function__(cls, function, types, arguments=(), keywords=None):
                cls.calls.append(function)
                return super().__torch_function__(function, types, arguments, keywords or {})

        q, k, v = inputs(1, 2, 5, 8)
        scaled_dot_product_attention(q.as_subclass(Counted), k, v)
        self.assertIn(functional.scaled_dot_product_attention, Counted.calls)
        nested = torch.nested.nested_tensor([torch.randn(2, n, 8) for n in (3, 5)])
        self.assertIsNotNone(why_pytorch(nested, nested, nested))
        self.assertTrue(scaled_dot_product_attention(nested, nested, nested).is_nested)

    def test_autocast(self):
        tensors = inputs(1, 2, 5, 8)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            self.assertEqual(self.expect(tensors).dtype, torch.bfloat16)

    def test_the_thread_count_is_pytorchs(self):
        tensors = inputs(1, 2, 5, 8)
        asked = []
        before, flashtile.torch.set_options = flashtile.torch.set_options, lambda *a, **o: (asked.append(o["threads"]), before(*a, **o))
        count = torch.get_num_threads()
        try:
            for threads in (1, 2, 1):
                torch.set_num_threads(threads)
                self.expect(tensors)
        finally:
            flashtile.torch.set_options = before
            torch.set_num_threads(count)
        self.assertEqual(sorted(set(asked)), [1, 2])


class Compiled(unittest.TestCase):
    def test_one_operator_in_the_graph(self):
        graphs = []

        def backend(graph, _):
            graphs.append(graph)
            return graph

        tensors = [x.transpose(1, 2) for x in inputs(2, 5, 3, 8)]
        compiled = torch.compile(lambda *x: scaled_dot_product_attention(*x, is_causal=True) + 1, backend=backend, fullgraph=True)
        torch.testing.assert_close(compiled(*tensors), functional.scaled_dot_product_attention(*tensors, is_causal=True) + 1)
        self.assertIn("flashtile.attention", graphs[0].code)
        for x in tensors:
            x.requires_grad_()
        torch.testing.assert_close(compiled(*tensors), functional.scaled_dot_product_attention(*tensors, is_causal=True) + 1)
        self.assertNotIn("flashtile.attention", graphs[1].code)

    def test_the_operator_is_what_it_promises(self):
        q, k, v = inputs(2, 4, 5, 8, kv=(2, 2, 7, 8))
        turned = q.transpose(1, 2).contiguous().transpose(1, 2)
        tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
        for query, value in itertools.product((q, turned), (v, v[..., :4])):
            torch.library.opcheck(flashtile.torch.operator, (query, k, value, None, True, None), test_utils=tests)
            # What the library refuses is PyTorch's here, too.
            torch.library.opcheck(flashtile.torch.operator, (query, k.mT.contiguous().mT, value, torch.randn(5, 7), False, 0.5), test_utils=tests)


if __name__ == "__main__":
    unittest.main()
