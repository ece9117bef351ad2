"""The package with JAX: arrays in, new arrays out; and as a part of what jax.jit compiles."""
import unittest

import jax
import numpy as np

import flashtile
import flashtile.jax

NEEDS = ["jax"]


def inputs(q_length=9, kv_length=13, dtype=np.float32, batch=2):
    keys = jax.random.split(jax.random.key(3), 3)
    shapes = (batch, 4, q_length, 16), (batch, 2, kv_length, 16), (batch, 2, kv_length, 8)
    return [jax.random.normal(key, shape, np.float32).astype(dtype) for key, shape in zip(keys, shapes)]


def by_numpy(*arrays, **options):
    """The same of NumPy's arrays, the caller's own form of the call."""
    return flashtile.attention(*map(np.array, arrays), **options)


class Arrays(unittest.TestCase):
    def test_agrees_with_float64(self):
        q, k, v = (jax.random.normal(jax.random.key(i), (1, 2, 9, 16)) for i in range(3))
        out = flashtile.attention(q, k, v, causal=True)
        self.assertIsInstance(out, jax.Array)
        np.testing.assert_array_equal(np.array(out), by_numpy(q, k, v, causal=True))

    def test_nobody_writes_to_them(self):
        q = jax.numpy.ones((1, 1, 2, 8))
        with self.assertRaisesRegex(ValueError, "out is a JAX array"):
            flashtile.attention(q, q, q, out=q)


class Compiled(unittest.TestCase):
    def test_every_option_and_type(self):
        mask = np.random.default_rng(1).random((9, 13)) < 0.7
        bias = np.random.default_rng(2).standard_normal((4, 1, 13)).astype(np.float32)
        for options in ({}, {"scale": 0.3}, {"scale": 0.0}, {"softcap": 1.5}, {"causal": "top_left"}, {"causal": "bottom_right"}, {"causal": -3},
                        {"causal": False}, {"window": (2, 1), "query_offset": 4}, {"mask": mask}, {"bias": bias}, {"mask": mask[None], "bias": bias}):
            for dtype in (np.float32, np.float16, jax.numpy.bfloat16):
                arrays = inputs(dtype=dtype)
                with self.subTest(options=str(options), dtype=dtype):
                    for call in (flashtile.jax.attention, jax.jit(lambda *x: flashtile.jax.attention(*x, **options))):
                        found = call(*arrays, **(options if call is flashtile.jax.attention else {}))
                        self.assertEqual(found.dtype, dtype)
                        expected = by_numpy(*arrays, **options)
                        np.testing.assert_allclose(found.astype(np.float32), expected.astype(np.float32), rtol=1e-5, atol=1e-6)

    def test_true_where_both_corners_are_one(self):
        found = flashtile.jax.attention(*inputs(9, 9), causal=True)
        np.testing.assert_array_equal(found, flashtile.jax.attention(*inputs(9, 9), causal="top_left"))
        with self.assertRaisesRegex(ValueError, "say which corner"):
            flashtile.jax.attention(*inputs(), causal=True)

    def test_lse(self):
        found, lse = jax.jit(lambda *x: flashtile.jax.attention(*x, causal=-2, return_lse=True))(*inputs())
        expected, expected_lse = by_numpy(*inputs(), causal=-2, return_lse=True)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(lse, expected_lse)

    def test_vmap_is_a_larger_batch(self):
        arrays = inputs(batch=6)
        mask = np.random.default_rng(1).random((3, 1, 1, 9, 13)) < 0.7
        split = [x.reshape(3, 2, *x.shape[1:]) for x in arrays]
        mapped = jax.jit(jax.vmap(lambda q, k, v, m: flashtile.jax.attention(q, k, v, mask=m, return_lse=True)))
        found, lse = mapped(*split, mask)
        expected, expected_lse = by_numpy(*arrays, mask=mask.reshape(3, 1, 9, 13).repeat(2, axis=0), return_lse=True)
        np.testing.assert_array_equal(found.reshape(6, *found.shape[2:]), expected)
        np.testing.assert_array_equal(lse.reshape(6, *lse.shape[2:]), expected_lse)
        self.assertEqual(str(jax.make_jaxpr(mapped)(*split, mask)).count("ffi_call["), 1)
        shared = jax.vmap(flashtile.jax.attention, in_axes=(0, None, None))(split[0], split[1][0], split[2][0])
        np.testing.assert_array_equal(shared[1], flashtile.jax.attention(split[0][1], split[1][0], split[2][0]))

    def test_shapes_of_nothing(self):
        self.assertEqual(flashtile.jax.attention(*inputs(batch=0)).shape, (0, 4, 9, 8))
        self.assertTrue((flashtile.jax.attention(*inputs(9, 0)) == 0).all())

    def test_refuses(self):
        q, k, v = inputs()
        with self.assertRaisesRegex(ValueError, "q, k and v have 3, 4 and 4 dimensions"):
            flashtile.jax.attention(q[0], k, v)
        for message, change in {"v has length 5, k has 13": {"v": v[:, :, :5]}, "XLA's type 4": {"k": k.astype(np.int32)},
                                "mask.boolean has shape": {"mask": np.ones((5, 5), bool)}}.items():
            with self.subTest(message), self.assertRaisesRegex(Exception, message):
                jax.block_until_ready(flashtile.jax.attention(**{"q": q, "k": k, "v": v, **change}))
        with self.assertRaisesRegex(ValueError, "cannot be differentiated"):
            jax.grad(lambda x: flashtile.jax.attention(x, k, v).sum())(q)


if __name__ == "__main__":
    unittest.main()
