"""The package with ml_dtypes: bfloat16 in NumPy's arrays."""
import unittest

import ml_dtypes
import numpy as np

import flashtile

NEEDS = ["numpy", "ml_dtypes"]


class Bfloat16(unittest.TestCase):
    def test_is_right_and_stays_what_it_is(self):
        random = np.random.default_rng(1)
        q, k, v = (random.standard_normal((1, 2, 7, 16), np.float32).astype(ml_dtypes.bfloat16) for _ in range(3))
        out = flashtile.attention(q, k, v)
        self.assertEqual(out.dtype, ml_dtypes.bfloat16)
        self.assertTrue(flashtile.check(q, k, v).ok)
        for _ in range(2):
            np.testing.assert_array_equal(flashtile.attention(q, k, v, out=np.empty_like(out)), out)
        product = flashtile.gemm(q[0, 0], k[0, 0].T)
        self.assertEqual(product.dtype, ml_dtypes.bfloat16)
        np.testing.assert_allclose(product.astype(np.float32), q[0, 0].astype(np.float32) @ k[0, 0].T.astype(np.float32), rtol=2e-2, atol=0.1)

    def test_a_packed_type_that_is_not_packed(self):
        with self.assertRaisesRegex(ValueError, "q has dtype int4"):
            flashtile.attention(*[np.zeros((1, 1, 1, 16), ml_dtypes.int4)] * 3)


if __name__ == "__main__":
    unittest.main()
