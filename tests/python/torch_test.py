"""The package with PyTorch: tensors in, tensors out, by DLPack."""
import unittest

import torch

import flashtile

NEEDS = ["torch"]


class Tensors(unittest.TestCase):
    def test_agrees_with_pytorch(self):
        torch.manual_seed(0)
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 4e-2)):
            q, k, v = (torch.randn(2, 3, 10, 16, dtype=dtype) for _ in range(3))
            found, lse = flashtile.attention(q, k.transpose(1, 2).contiguous().transpose(1, 2), v, causal="top_left", return_lse=True)
            self.assertEqual((found.dtype, lse.dtype), (dtype, torch.float32))
            expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
            out = torch.empty_like(q)
            self.assertIs(flashtile.attention(q, k, v, causal="top_left", out=out), out)
            torch.testing.assert_close(out, found, rtol=0, atol=0)

    def test_masks(self):
        q, k, v = (torch.randn(1, 2, 5, 8) for _ in range(3))
        mask = torch.tensor([True, True, False, True, False])
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask.expand(5, 5))
        torch.testing.assert_close(flashtile.attention(q, k, v, mask=mask), expected)

    def test_gradients_are_refused(self):
        q = torch.randn(1, 1, 2, 8, requires_grad=True)
        with self.assertRaisesRegex((BufferError, RuntimeError, ValueError), "grad"):
            flashtile.attention(q, q, q)


if __name__ == "__main__":
    unittest.main()
