"""The package with CuPy's arrays: results, and CuPy's current stream."""
import unittest

import cupy
import numpy as np

import flashtile
from flashtile._check import reference

NEEDS = ["cupy", "numpy", "$FLASHTILE_TEST_GPU"]
random = np.random.default_rng(7)


def inputs(dtype=np.float16):
    return [cupy.asarray(random.standard_normal((2, heads, length, 64)).astype(dtype)) for heads, length in ((4, 100), (2, 150), (2, 150))]


class Arrays(unittest.TestCase):
    def close(self, found, *arrays, **options):
        expected = reference(np, *map(cupy.asnumpy, arrays), **options)
        np.testing.assert_allclose(cupy.asnumpy(found), expected[0], rtol=5e-3, atol=5e-3)

    def test_attention(self):
        for dtype in (np.float16, np.float32):
            q, k, v = inputs(dtype)
            found, lse = flashtile.attention(q, k, v, causal="bottom_right", return_lse=True)
            self.assertEqual((type(found), found.dtype, lse.dtype), (cupy.ndarray, dtype, np.float32))
            self.close(found, q, k, v, causal="bottom_right")
            turned = cupy.ascontiguousarray(k.swapaxes(1, 2)).swapaxes(1, 2)
            cupy.testing.assert_array_equal(flashtile.attention(q, turned, v, causal="bottom_right"), found)

    def test_the_current_stream(self):
        """It is busy for a while, and then q gets its numbers: who does not wait for it reads zeros."""
        q, k, v = inputs()
        late, large = cupy.zeros_like(q), cupy.ones((8192, 8192), np.float32)
        flashtile.attention(late, k, v)
        large @ large
        cupy.cuda.Device().synchronize()
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            for _ in range(20):
                large @ large
            late[...] = q
            found = flashtile.attention(late, k, v)
            self.assertFalse(stream.done, "the call has waited for the GPU")
        stream.synchronize()
        self.close(found, q, k, v)


if __name__ == "__main__":
    unittest.main()
