"""The package with JAX: arrays in, new arrays out."""
import unittest

import jax
import numpy as np

import flashtile

NEEDS = ["jax"]


class Arrays(unittest.TestCase):
    def test_agrees_with_float64(self):
        q, k, v = (jax.random.normal(jax.random.key(i), (1, 2, 9, 16)) for i in range(3))
        out = flashtile.attention(q, k, v, causal=True)
        self.assertIsInstance(out, jax.Array)
        expected = flashtile.attention(*(np.array(x) for x in (q, k, v)), causal=True)
        np.testing.assert_array_equal(np.array(out), expected)

    def test_nobody_writes_to_them(self):
        q = jax.numpy.ones((1, 1, 2, 8))
        with self.assertRaisesRegex(ValueError, "out is a JAX array"):
            flashtile.attention(q, q, q, out=q)


if __name__ == "__main__":
    unittest.main()
