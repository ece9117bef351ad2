"""The package with NumPy: right against float64, every option, strides, types, calls that are made again."""
import gc
import sys
import threading
import tracemalloc
import unittest
import weakref

import numpy as np

import flashtile
from flashtile import _attention
from flashtile._check import reference, reference_of

NEEDS = ["numpy"]
random = np.random.default_rng(7)


def inputs(q_length=9, kv_length=13, dtype=np.float32):
    q = random.standard_normal((2, 4, q_length, 16), np.float32)
    k, v = random.standard_normal((2, 2, 2, kv_length, 16), np.float32)
    return q.astype(dtype), k.astype(dtype), v[..., :8].astype(dtype)


class Attention(unittest.TestCase):
    def test_every_option_is_right_by_every_way(self):
        mask = random.random((9, 13)) < 0.7
        mask[3] = False
        bias = random.standard_normal((4, 9, 13)).astype(np.float32)
        for options in ({}, {"scale": -0.5}, {"scale": 0.0}, {"softcap": 1.5}, {"causal": "top_left"}, {"causal": "bottom_right"},
                        {"causal": -4}, {"causal": False}, {"window": (2, 1)}, {"window": (3, -1), "query_offset": 4},
                        {"window": [1, 0], "query_offset": "bottom_right"}, {"mask": mask}, {"bias": bias},
                        {"mask": mask.astype(np.uint8)[None], "bias": bias[0], "causal": np.int64(2), "softcap": 3.0, "threads": 2},
                        {"kv_lengths": np.array([13, 4])}, {"q_lengths": np.array([0, 5], np.int32), "causal": "bottom_right"},
                        {"q_lengths": np.array([9, 5]), "kv_lengths": np.array([2, 13], np.int32), "causal": "bottom_right", "bias": bias},
                        {"alibi_slopes": np.float32([0.5, -0.1, 0, 2]), "causal": "bottom_right"},
                        {"alibi_slopes": np.ones((2, 4), np.float32), "query_offset": np.array([3, 0]), "bias": bias},
                        {"sinks": np.float32([-1, 0, 3, 40]), "causal": -4}, {"sinks": np.zeros(4, np.float32), "kv_lengths": np.array([0, 5])},
                        {"causal": np.array([2, -3])}, {"query_offset": np.array([20, 1], np.int32)[::-1], "window": (4, 2)}, {"out_dtype": np.float32}):
            for dtype in (np.float32, np.float16):
                with self.subTest(options=str(options), dtype=dtype):
                    report = flashtile.check(*inputs(dtype=dtype), **options)
                    self.assertTrue(report.ok, report)
                    self.assertGreaterEqual(sum("error" in row for row in report), 3, report)

    def test_rows_behind_a_length_are_not_read(self):
        q, k, v = inputs()
        lengths = {"q_lengths": np.array([4, 9]), "kv_lengths": np.array([13, 6])}
        expected, expected_lse = flashtile.attention(q, k, v, return_lse=True, **lengths)
        q[0, :, 4:], k[1, :, 6:], v[1, :, 6:] = np.nan, np.nan, np.nan
        found, lse = flashtile.attention(q, k, v, return_lse=True, **lengths)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(lse, expected_lse)
        self.assertTrue((found[0, :, 4:] == 0).all() and (lse[0, :, 4:] == -np.inf).all())
        with self.assertRaisesRegex(ValueError, r"lengths.kv\[1\] is 14; expected 0 ... 13"):
            flashtile.attention(q, k, v, kv_lengths=np.array([13, 14]))

    def test_quantised_keys_and_values_are_code_times_scale(self):
        q, k, v = inputs()
        k_codes, v_codes = (random.integers(-128, 128, x.shape, np.int8) for x in (k, v))
        k_scales, v_scales = random.random((2, 2, 13, 1), np.float32), np.float16([0.5, -0.25])
        expected = flashtile.attention(q, k_codes * k_scales, v_codes * v_scales.astype(np.float32)[:, None, None])
        found = flashtile.attention(q, k_codes, v_codes, k_scales=k_scales, v_scales=v_scales)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        with self.assertRaisesRegex(ValueError, "k has dtype i8 and no k_scales; give them: f32 or f16"):
            flashtile.attention(q, k_codes, v)

    def test_bytes_hold_blocks(self):
        q = random.standard_normal((1, 2, 3, 64), np.float32)
        scales = np.float16(random.random((1, 2, 5, 2, 1)))
        codes = random.integers(-128, 128, (1, 2, 5, 2, 32), np.int8)
        k = np.concatenate([scales.view(np.uint8), codes.view(np.uint8)], -1).reshape(1, 2, 5, 68)
        nibbles = random.integers(0, 16, (1, 2, 5, 2, 32), np.uint8)
        pairs = nibbles[..., :16] | nibbles[..., 16:] << 4
        v = np.concatenate([scales.view(np.uint8), pairs], -1).reshape(1, 2, 5, 36)
        floats = [(c * scales.astype(np.float32)).reshape(1, 2, 5, 64).astype(np.float32) for c in (codes, nibbles - 8.0)]
        found = flashtile.attention(q, k, v, k_dtype="q8_0", v_dtype="q4_0")
        np.testing.assert_allclose(found, flashtile.attention(q, *floats), rtol=1e-4, atol=1e-4)
        self.assertEqual(flashtile.plan(q, k, v, k_dtype="q8_0", v_dtype="q4_0").way, "flash.cpu")
        for options, message in (({"k_dtype": "q9"}, "k_dtype is 'q9'; expected one of 'i8', "),
                                 ({"v_dtype": "q8_0"}, r"v has shape \(1, 2, 5, 36\); expected rows of whole blocks of 34 bytes"),
                                 ({"k_dtype": "q8_0"}, "v has dtype u8; expected f32, ")):
            with self.assertRaisesRegex(ValueError, message):
                flashtile.attention(q, k, v, **options)
        none = np.zeros((2, 3, 0, 8), np.uint8)  # whose strides say nothing
        found = flashtile.attention(np.ones((2, 3, 4, 16), np.float32), none, none, k_dtype="int4", v_dtype="int4", k_scales=scales[0, 0, 0, 0],
                                    v_scales=scales[0, 0, 0, 0])
        np.testing.assert_array_equal(found, np.zeros((2, 3, 4, 16), np.float32))

    def test_scores_on_request(self):
        q, k, v = inputs()
        raw = np.einsum("bhid,bhjd->bhij", q, k.repeat(2, 1)) / 4
        out, scores = flashtile.attention(q, k, v, causal="top_left", softcap=2, return_scores="raw")
        np.testing.assert_allclose(scores, raw, atol=1e-5)
        scores = flashtile.attention(q, k, v, causal="top_left", softcap=2, return_scores="capped")[1]
        np.testing.assert_allclose(scores, 2 * np.tanh(raw / 2), atol=1e-5)
        seen = np.tri(9, 13, dtype=bool)
        scores = flashtile.attention(q, k, v, causal="top_left", softcap=2, return_scores="biased")[1]
        np.testing.assert_allclose(scores, np.where(seen, 2 * np.tanh(raw / 2), -np.inf), atol=1e-5)
        found, lse, shares = flashtile.attention(q, k, v, causal="top_left", softcap=2, return_lse=True, return_scores="probabilities")
        np.testing.assert_allclose(shares, np.exp(scores - lse[..., None]), atol=1e-6)
        np.testing.assert_allclose(shares @ v.repeat(2, 1), out, atol=1e-5)
        np.testing.assert_array_equal(found, out)
        halves = flashtile.attention(*inputs(dtype=np.float16), return_scores="probabilities")[1]
        self.assertEqual(halves.dtype, np.float32)
        self.assertEqual(flashtile.plan(q, k, v, return_scores="raw").way, "unfused")
        with self.assertRaisesRegex(ValueError, "return_scores is 'all'; expected one of 'raw', 'capped', 'biased', 'probabilities'"):
            flashtile.attention(q, k, v, return_scores="all")
        with self.assertRaisesRegex(NotImplementedError, "it does not know scores on request"):
            flashtile.attention(q, k, v, return_scores="raw", way="flash.cpu")

    def test_packed_sequences_are_what_they_are_alone(self):
        q_starts, kv_starts = np.array([1, 4, 4, 9]), np.array([0, 6, 8, 13], np.int32)
        q, k, v = (np.ascontiguousarray(x[0].swapaxes(0, 1)) for x in inputs())
        q[0] = np.nan
        found, lse = flashtile.attention(q, k, v, q_row_starts=q_starts, kv_row_starts=kv_starts, causal="bottom_right",
                                         return_lse=True)
        self.assertEqual((found.shape, lse.shape), ((9, 4, 8), (9, 4)))
        for b in range(3):
            rows, keys = slice(q_starts[b], q_starts[b + 1]), slice(kv_starts[b], kv_starts[b + 1])
            alone = flashtile.attention(*(x.swapaxes(0, 1)[None] for x in (q[rows], k[keys], v[keys])), causal="bottom_right")
            np.testing.assert_allclose(found[rows], alone[0].swapaxes(0, 1), rtol=1e-5, atol=1e-6)
        with self.assertRaisesRegex(ValueError, r"row_starts.kv\[3\] is 14; expected 0 ... 13"):
            flashtile.attention(q, k, v, q_row_starts=q_starts, kv_row_starts=kv_starts + 1)
        with self.assertRaisesRegex(ValueError, "say which corner"):
            flashtile.attention(q, k, v, q_row_starts=q_starts, kv_row_starts=kv_starts, causal=True)
        with self.assertRaisesRegex(ValueError, "q has shape .*; expected 3 dimensions with q_row_starts"):
            flashtile.attention(q[None], k, v, q_row_starts=q_starts, kv_row_starts=kv_starts)
        with self.assertRaisesRegex(ValueError, "v has shape .*; expected 4 dimensions without kv_row_starts"):
            flashtile.attention(q, k, v, q_row_starts=q_starts)
        with self.assertRaisesRegex(ValueError, "packed keys need packed queries"):
            flashtile.attention(q, k, v, kv_row_starts=kv_starts)

    def test_segments_blocks_and_pages(self):
        q, k, v = inputs()
        q_ids, kv_ids = np.repeat([[3, 8]], 2, 0).repeat([4, 5], 1).astype(np.int32), np.repeat([[3, 8]], 2, 0).repeat([6, 7], 1).astype(np.int32)
        mask = q_ids[:, None, :, None] == kv_ids[:, None, None, :]
        expected = flashtile.attention(q, k, v, mask=mask)
        close = dict(rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(flashtile.attention(q, k, v, q_segments=q_ids, kv_segments=kv_ids), expected, **close)
        block_map = np.array([[[[1, 0, 1], [0, 1, 1]]]], bool)
        mask = block_map.repeat(5, 2).repeat(5, 3)[:, :, :9, :13]
        found = flashtile.attention(q, k, v, block_map=block_map, q_block=5, kv_block=5)
        np.testing.assert_allclose(found, flashtile.attention(q, k, v, mask=mask), **close)
        with self.assertRaisesRegex(ValueError, "kv_block is 5, and block_map is not given"):
            flashtile.attention(q, k, v, kv_block=5)
        lengths, table = np.array([13, 7]), np.array([[1, 5, 0, 3], [4, 2, 99, -1]], np.int32)
        pools = []
        for x in (k, v):
            pool = np.full((6, 4, *x.shape[1:2], x.shape[3]), np.nan, x.dtype)
            for b, j in ((b, j) for b in range(2) for j in range(lengths[b])):
                pool[table[b, j // 4], j % 4] = x[b, :, j]
            pools.append(pool)
        expected = flashtile.attention(q, k, v, kv_lengths=lengths)
        np.testing.assert_allclose(flashtile.attention(q, *pools, block_table=table, kv_lengths=lengths), expected, **close)
        with self.assertRaisesRegex(ValueError, r"block_table\[0, 3\] is 6; expected 0 ... 5"):
            flashtile.attention(q, *pools, block_table=table + 3 * (np.arange(4) == 3).astype(np.int32), kv_lengths=lengths)
        with self.assertRaisesRegex(NotImplementedError, "unfused: it does not know paged keys and values"):
            flashtile.attention(q, *pools, block_table=table, kv_lengths=lengths, return_scores="raw")
        with self.assertRaisesRegex(ValueError, "k and v are packed, or lie in pages"):
            flashtile.attention(q, *pools, block_table=table, q_row_starts=lengths, kv_row_starts=lengths)
        with self.assertRaisesRegex(ValueError, "k is paged; say which corner"):
            flashtile.attention(q, *pools, block_table=table, kv_lengths=lengths, causal=True)

    def test_results_may_be_of_float32(self):
        q, k, v = inputs(dtype=np.float16)
        for out_dtype in (np.float32, "float32", np.dtype(np.float32)):
            found = flashtile.attention(q, k, v, out_dtype=out_dtype)
            self.assertEqual(found.dtype, np.float32)
        self.assertEqual(flashtile.attention(q, k, v, out_dtype="float16").dtype, np.float16)
        np.testing.assert_array_equal(found.astype(np.float16), flashtile.attention(q, k, v))
        out = np.empty(found.shape, np.float32)
        np.testing.assert_array_equal(flashtile.attention(q, k, v, out=out), found)
        for wrong in ("int8", "bfloat16", 3):
            with self.assertRaisesRegex(ValueError, f"out_dtype is {wrong!r}; expected float32 or q's type"):
                flashtile.attention(q, k, v, out_dtype=wrong)
        with self.assertRaisesRegex(ValueError, "out has a type of its own"):
            flashtile.attention(q, k, v, out=out, out_dtype="float32")

    def test_the_check_finds_what_is_wrong(self):
        q, k, v = inputs()
        exact, bound = reference(np, q, k, v)
        for wrong in (flashtile.attention(q, k, v, causal=11), flashtile.attention(q, k[:, :, :-1], v[:, :, :-1]),
                      flashtile.attention(q, k, v, scale=0.2501), flashtile.attention(q, k[:, ::-1], v)):
            self.assertTrue((np.abs(wrong - exact) > bound).any())
        self.assertTrue(flashtile.check().ok)
        ids, blocks = [np.arange(x.shape[2], dtype=np.int32)[None].repeat(2, 0) // 4 for x in (q, k)], np.array([[[[1, 0, 1], [0, 1, 1]]]], bool)
        report = flashtile.check(q, k, v, q_segments=ids[0], kv_segments=ids[1], block_map=blocks, q_block=5, kv_block=5)
        self.assertTrue(report.ok)
        self.assertTrue(any("error" in row for row in report))
        for options in ({"return_scores": "raw"}, {"return_lse": True}, {"way": "flash.cpu"}):
            with self.assertRaisesRegex(NotImplementedError, f"check: {next(iter(options))} is given, which it has no reference for"):
                flashtile.check(q, k, v, **options)

    def test_the_check_knows_codes_pages_and_packed_sequences(self):
        q, pool = random.standard_normal((2, 4, 5, 64), np.float32), random.standard_normal((5, 7, 2, 64), np.float32)
        table, lengths = np.int32([[3, 0, 9], [1, 2, 4]]), np.int32([14, 20])  # page 9 is none, and behind the rows that are there
        in_pages = {"block_table": table, "kv_lengths": lengths}
        packed, keys = random.standard_normal((11, 4, 64), np.float32), random.standard_normal((40, 2, 64), np.float32)
        slopes = random.random((3, 4), np.float32)

        def codes(*shape):
            return random.integers(0, 256, shape, np.uint8)

        def blocks(size):
            made = codes(2, 2, 33, 2, size)
            made[..., :2] = np.float16(random.random((2, 2, 33, 2, 1)) / 30).view(np.uint8)
            return made.reshape(2, 2, 33, 2 * size)

        e4m3, e5m2 = codes(2, 2, 33, 64), codes(2, 2, 33, 64)
        e4m3[(e4m3 & 127) == 127], e5m2[(e5m2 & 127) >= 100] = 0, 1  # no NaN, and nothing huge
        rows, of_rows = codes(2, 2, 33, 64).view(np.int8), random.random((2, 2, 33, 2), np.float32) / 40
        of_pages = random.random((5, 7, 2, 1), np.float32) / 40
        calls = (
            (q, rows, rows, {"k_scales": of_rows, "v_scales": np.float16([0.5, -0.25]), "causal": "bottom_right"}),
            (q, codes(2, 2, 33, 32), codes(2, 2, 33, 32), {"k_dtype": "int4", "v_dtype": "int4", "k_scales": of_rows, "v_scales": of_rows}),
            (q, e4m3, e5m2, {"k_dtype": "f8_e4m3", "v_dtype": "f8_e5m2", "k_scales": np.float32(0.01)}),
            (q, blocks(34), blocks(18), {"k_dtype": "q8_0", "v_dtype": "q4_0"}),
            (q, pool, pool, in_pages),
            (q, codes(5, 7, 2, 64), codes(5, 7, 2, 64),
             in_pages | {"k_dtype": "i8", "v_dtype": "i8", "k_scales": of_pages, "v_scales": of_pages}),
            (packed, keys, keys, {"q_row_starts": np.int64([1, 4, 4, 10]), "kv_row_starts": np.int64([0, 9, 20, 40]),
                                  "causal": "bottom_right", "alibi_slopes": slopes}),
            (packed, pool, pool, in_pages | {"q_row_starts": np.int64([1, 4, 10]), "causal": np.int32([3, 5])}),
        )
        for *tensors, options in calls:
            report = flashtile.check(*tensors, **options)
            self.assertTrue(report.ok, f"{report} {options}")
            self.assertLessEqual({"flash.cpu", "tensor_ops"}, {row["way"] for row in report if "error" in row}, f"{options}")
            exact, bound = reference_of(np, *tensors, **options)
            wrong = flashtile.attention(*tensors, **options | {"scale": 0.1251})
            self.assertTrue((np.abs(wrong - exact) > bound).any(), f"{options}")

    def test_true_where_both_corners_are_one(self):
        q, k, v = inputs(9, 9)
        np.testing.assert_array_equal(flashtile.attention(q, k, v, causal=True), flashtile.attention(q, k, v, causal="top_left"))
        with self.assertRaisesRegex(ValueError, "say which corner"):
            flashtile.attention(*inputs(), causal=True)
        for _ in range(2):
            flashtile.attention(q, k, v, query_offset=1)
            with self.assertRaisesRegex(ValueError, "query_offset is True"):
                flashtile.attention(q, k, v, query_offset=True)
        # the same keyword as a number is an offset, and calls that are kept know them apart
        self.assertFalse(np.array_equal(flashtile.attention(q, k, v, causal=True), flashtile.attention(q, k, v, causal=1)))

    def test_lse(self):
        q, k, v = inputs()
        out, lse = flashtile.attention(q, k, v, causal=-2, return_lse=True)
        self.assertEqual((lse.dtype, lse.shape), (np.float32, (2, 4, 9)))
        self.assertTrue((lse[:, :, :2] == -np.inf).all() and (out[:, :, :2] == 0).all())
        scores = np.einsum("bd,bkd->bk", q[:, 0, 5], k[:, 0, :4]) / 4
        np.testing.assert_allclose(lse[:, 0, 5], np.log(np.exp(scores).sum(1)), rtol=1e-5)

    def test_strides(self):
        """The layout (B, L, H, D), every second row, and what NumPy repeats."""
        q, k, v = inputs()
        expected = flashtile.attention(q, k, v)
        turned = [np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2) for x in (q, k, v)]
        np.testing.assert_array_equal(flashtile.attention(*turned), expected)
        wide = np.zeros((2, 4, 18, 32), np.float32)
        wide[:, :, ::2, :16] = q
        out = np.zeros((2, 9, 4, 8), np.float32)
        flashtile.attention(wide[:, :, ::2, :16], k, v, out=out.swapaxes(1, 2))
        np.testing.assert_array_equal(out.swapaxes(1, 2), expected)
        repeated = np.broadcast_to(k[:1, :1], k.shape)
        np.testing.assert_array_equal(flashtile.attention(q, repeated, v), flashtile.attention(q, repeated.copy(), v))
        backwards = flashtile.attention(q[:, :, ::-1], k, v)
        np.testing.assert_array_equal(backwards, expected[:, :, ::-1])

    def test_shapes_of_nothing(self):
        q, k, v = inputs()
        self.assertEqual(flashtile.attention(q[:0], k[:0], v[:0]).shape, (0, 4, 9, 8))
        self.assertTrue((flashtile.attention(q, k[:, :, :0], v[:, :, :0]) == 0).all())

    def test_refuses(self):
        q, k, v = inputs()
        out = np.zeros((2, 4, 9, 8), np.float32)
        locked = out.copy()
        locked.flags.writeable = False
        for message, change in {"out is read-only": {"out": locked}, "out overlaps q": {"out": q[..., :8]},
                                "k has dtype >f4": {"k": k.astype(">f4")}, "k has dtype uint64": {"k": k.astype(np.uint64)},
                                "k has stride 64": {"k": np.asfortranarray(k)}, "mask.boolean has shape": {"mask": np.ones((5, 5), bool)},
                                "k has 9 dimensions": {"k": k.reshape(1, 1, 1, 1, 1, 2, 2, 13, 16)}}.items():
            arguments = {"q": q, "k": k, "v": v, "out": out, **change}
            for _ in range(2):
                with self.subTest(message), self.assertRaises(ValueError) as found:
                    flashtile.attention(**arguments)
                self.assertIn(message.split(" has stride")[0], str(found.exception))


class MergeAttention(unittest.TestCase):
    def test_parts_of_the_keys(self):
        q, k, v = inputs()
        whole, lse = flashtile.attention(q, k, v, return_lse=True)
        for cuts in ((0, 13), (0, 5, 13), (0, 0, 2, 9, 13)):
            outs, lses = zip(*[flashtile.attention(q, k[:, :, a:b], v[:, :, a:b], return_lse=True) for a, b in zip(cuts, cuts[1:])])
            merged, merged_lse = flashtile.merge_attention(outs, lses, return_lse=True, threads=2)
            np.testing.assert_allclose(merged, whole, atol=1e-6)
            np.testing.assert_allclose(merged_lse, lse, rtol=1e-6)
        sinks = lse[0, :, 0].copy()  # in the first row as much as all keys
        out = np.empty(whole.shape, np.float16)
        self.assertIs(flashtile.merge_attention(outs, lses, sinks=sinks, out=out), out)
        np.testing.assert_allclose(out[0, :, 0], whole[0, :, 0] / 2, atol=1e-3)

    def test_refuses(self):
        q, k, v = inputs()
        out, lse = flashtile.attention(q, k, v, return_lse=True)
        for message, (outs, lses) in {"outs is empty": ([], []), "lses has 1": ([out, out], [lse]), r"lses\[1\] has shape": ([out, out], [lse, lse[:1]]),
                                      r"outs\[0\] has shape": ([out[0]], [lse[0]])}.items():
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                flashtile.merge_attention(outs, lses)


class Rotary(unittest.TestCase):
    def test_turns(self):
        x = random.standard_normal((2, 3, 5, 10)).astype(np.float32)
        positions = np.arange(7, 17, dtype=np.int32).reshape(2, 5)
        for frequencies in (None, [1.0, 0.5, 0.25, 3.0]):
            angles = positions[:, None, :, None] * np.array(frequencies or 500.0 ** (-np.arange(4) / 4))
            for interleaved in (False, True):
                first = slice(0, 8, 2) if interleaved else slice(0, 4)
                second = slice(1, 8, 2) if interleaved else slice(4, 8)
                expected = x.astype(np.float64)
                expected[..., first] = x[..., first] * np.cos(angles) - x[..., second] * np.sin(angles)
                expected[..., second] = x[..., second] * np.cos(angles) + x[..., first] * np.sin(angles)
                options = {"interleaved": interleaved, "dim": 8, "base": 500.0, "frequencies": frequencies, "threads": 2}
                turned = flashtile.rotary(x, positions, **options)
                np.testing.assert_allclose(turned, expected, atol=1e-5)
                self.assertIs(flashtile.rotary(turned, positions, **options, inverse=True, out=turned), turned)
                np.testing.assert_allclose(turned, x, atol=1e-5)

    def test_a_cache(self):
        q, k, v = inputs()
        positions = np.arange(13, dtype=np.int32)
        expected = flashtile.attention(q, flashtile.rotary(k, positions, base=100.0), v)
        cache_k, cache_v = np.full(k.shape, np.nan, np.float32), np.full(v.shape, np.nan, np.float32)
        pool_k, pool_v = np.zeros((9, 4, 2, 16), np.float32), np.zeros((9, 4, 2, 8), np.float32)
        table = np.array([[8, 0, 3, 5], [1, 7, 2, 4]], np.int32)
        for begin, end in ((0, 9), (9, 10), (10, 13)):
            new = (k[:, :, begin:end], v[:, :, begin:end], positions[begin:end])
            flashtile.append_kv(cache_k, cache_v, *new, rotary={"base": 100.0})
            flashtile.append_kv(pool_k, pool_v, *new, rotary={"base": 100.0}, block_table=table, threads=1)
        np.testing.assert_array_equal(flashtile.attention(q, cache_k, cache_v), expected)
        np.testing.assert_array_equal(pool_k[table].reshape(2, 16, 2, 16)[:, :13].swapaxes(1, 2), cache_k)
        with self.assertRaisesRegex(ValueError, r"positions\[0, 0\] is 13; expected -1 \(not stored\) ... 12"):
            flashtile.append_kv(cache_k, cache_v, k[:, :, :1], v[:, :, :1], positions[:1] + 13)
        for message, change in {"base is 0": {"base": 0}, "frequencies is empty": {"frequencies": []}, "rotary.dim is 3": {"dim": 3}}.items():
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                flashtile.rotary(k, positions, **change)


class Misuse(unittest.TestCase):
    """What ctypes, the array interface or a kept call would let pass."""

    def refused(self, error, message, change):
        q, k, v = inputs()
        for _ in range(2):
            with self.subTest(message), self.assertRaisesRegex(error, message):
                flashtile.attention(**{"q": q, "k": k, "v": v, **change})

    def test_numbers_that_a_field_of_c_cannot_hold(self):
        for message, change in {"causal is 1180591620717411303424": {"causal": 2**70}, "window is 9223372036854775808": {"window": (2**63, 0)},
                                "query_offset is -1180591620717411303424": {"query_offset": -2**70}, "threads is 4294967297": {"threads": 2**32 + 1}}.items():
            self.refused(ValueError, message, change)
        for message, change in {"window is 1.5": {"window": (1.5, 0)}, "scale is 'a'": {"scale": "a"}, "softcap is 'b'": {"softcap": "b"},
                                "threads is 2.5": {"threads": 2.5}, "threads is '2'": {"threads": "2"}}.items():
            self.refused(TypeError, message, change)
        for wrong in (3, (1, 2, 3)):
            self.refused(ValueError, "expected .left, right., two whole numbers", {"window": wrong})

    def test_names_of_ways(self):
        self.refused(ValueError, "way is 'flash.cpu.x00x'; expected no zero byte", {"way": "flash.cpu\0x"})
        self.refused(TypeError, "way is b'flash.cpu'; expected a string", {"way": b"flash.cpu"})
        with self.assertRaisesRegex(TypeError, "way is 5"):
            flashtile.gemm(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), way=5)

    def test_masked_arrays(self):
        q = inputs()[0]
        self.refused(ValueError, "q is a masked array", {"q": np.ma.masked_array(q, mask=q > 0)})

    def test_array_interfaces_that_lie(self):
        q = inputs()[0]
        right = q.__array_interface__
        for message, change in {"dimensions and 1 strides": {"strides": (4,)}, "without an address": {"data": None},
                                "a size of q is 18446744073709551616": {"shape": (2, 4, 9, 2**64)}, "sizes of 0 or more": {"shape": (2, 4, 9, -16)},
                                "no data": {"data": (0, False)}, "q is a masked array": {"mask": q}}.items():
            self.refused(ValueError, message, {"q": type("Array", (), {"__array_interface__": {**right, **change}})()})

    def test_options_that_are_arrays(self):
        q, k, v = inputs()
        for _ in range(2):
            np.testing.assert_array_equal(flashtile.attention(q, k, v, scale=np.array(0.5)), flashtile.attention(q, k, v, scale=0.5))

    def test_the_check(self):
        q, k, v = inputs()
        with self.assertRaisesRegex(ValueError, "k and v must be given"):
            flashtile.check(q)
        self.assertTrue(flashtile.check(memoryview(q), memoryview(k), memoryview(v)).ok)


class Exporter:
    """An array of a library that flashtile has never heard of: DLPack, and a namespace that makes new ones."""

    device = "cpu"

    def __init__(self, array, old=False):
        self.array, self.dtype, self.old = array, array.dtype, old

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **keywords):
        if self.old and keywords:
            raise TypeError("what is max_version?")
        return self.array.__dlpack__(**(keywords if NUMPY_2 else {}))

    def __array_namespace__(self):
        return ExporterNamespace


class ExporterNamespace:
    float32 = np.float32

    @staticmethod
    def empty(shape, dtype, device):
        return Exporter(np.empty(shape, dtype))


NUMPY_2 = int(np.__version__.split(".")[0]) >= 2


class Dlpack(unittest.TestCase):
    def test_the_callers_kind(self):
        arrays = inputs()
        expected, expected_lse = flashtile.attention(*arrays, return_lse=True)
        for old in (False, True):
            out, lse = flashtile.attention(*(Exporter(x, old) for x in arrays), return_lse=True)
            self.assertIsInstance(out, Exporter)
            np.testing.assert_array_equal(out.array, expected)
            np.testing.assert_array_equal(lse.array, expected_lse)

    def test_strides_and_kinds_mixed(self):
        q, k, v = inputs()
        turned = Exporter(np.ascontiguousarray(k.swapaxes(1, 2)).swapaxes(1, 2))
        np.testing.assert_array_equal(flashtile.attention(q, turned, memoryview(v)), flashtile.attention(q, k, v))

    def test_read_only(self):
        q, k, v = inputs()
        out = np.zeros((2, 4, 9, 8), np.float32)
        out.flags.writeable = False
        with self.assertRaisesRegex((ValueError, BufferError), "read-?only"):
            flashtile.attention(q, k, v, out=Exporter(out))

    def test_types_that_flashtile_does_not_know(self):
        q, k, v = inputs()
        with self.assertRaisesRegex(ValueError, "k: tensor_from_dlpack: flashtile has no type of DLPack's code 1 with 64 bits"):
            flashtile.attention(q, Exporter(k.astype(np.uint64)), v)

    def test_capsules_do_not_stay(self):
        q, k, v = inputs()
        before = sys.getrefcount(k)
        for _ in range(10):
            flashtile.attention(q, Exporter(k), v)
        self.assertEqual(sys.getrefcount(k), before)


class CallsMadeAgain(unittest.TestCase):
    def test_new_addresses_and_old(self):
        for _ in range(3):
            q, k, v = inputs()
            out = np.full((2, 4, 9, 8), np.nan, np.float32)
            self.assertIs(flashtile.attention(q, k, v, out=out), out)
            np.testing.assert_array_equal(out, flashtile.attention(q, k, v, way=None))

    def test_read_only_arguments_and_results(self):
        q, k, v = inputs()
        out = np.zeros((2, 4, 9, 8), np.float32)
        flashtile.attention(q, k, v, out=out)
        expected = out.copy()
        q.flags.writeable = False
        np.testing.assert_array_equal(flashtile.attention(q, k, v, out=out), expected)
        out.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "out is read-only"):
            flashtile.attention(q, k, v, out=out)

    def test_lets_arrays_go(self):
        q, k, v = inputs()
        flashtile.attention(q, k, v)
        gone = weakref.ref(q)
        del q
        gc.collect()
        self.assertIsNone(gone())

    def test_keeps_few(self):
        for length in range(1, 400):
            flashtile.attention(*inputs(1, length))
        self.assertLessEqual(len(_attention.pool.calls), _attention.pool.MOST)

    def test_does_not_grow(self):
        q, k, v = inputs()
        out = flashtile.attention(q, k, v)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            flashtile.attention(q, k, v, out=out)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        self.assertLess(grown, 10000)

    def test_threads_do_not_share_a_call(self):
        wrong = []

        def work(value):
            q, k, v = inputs()
            v[:] = value
            out = np.empty((2, 4, 9, 8), np.float32)
            for _ in range(300):
                flashtile.attention(q, k, v, out=out)
                if not np.allclose(out, value):
                    wrong.append(value)

        threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Gemm(unittest.TestCase):
    def test_products(self):
        a, b = random.standard_normal((5, 7), np.float32), random.standard_normal((7, 3), np.float32)
        for _ in range(2):
            np.testing.assert_allclose(flashtile.gemm(a, b), a @ b, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(flashtile.gemm(b.T, a.T), (a @ b).T, rtol=1e-5, atol=1e-6)
        half = flashtile.gemm(a.astype(np.float16), b.astype(np.float16))
        self.assertEqual(half.dtype, np.float16)
        out = np.ones((5, 3), np.float32)
        flashtile.gemm(a, b, out=out, alpha=2.0, beta=0.5)
        np.testing.assert_allclose(out, 2 * (a @ b) + 0.5, rtol=1e-5, atol=1e-5)

    def test_integers(self):
        a, b = random.integers(-128, 128, (5, 7), np.int8), random.integers(-128, 128, (7, 3), np.int8)
        found = flashtile.gemm(a, b)
        self.assertEqual(found.dtype, np.int32)
        np.testing.assert_array_equal(found, a.astype(np.int32) @ b.astype(np.int32))

    def test_refuses(self):
        a = np.ones((3, 4), np.float32)
        with self.assertRaisesRegex(ValueError, "gemm: "):
            flashtile.gemm(a, a)
        with self.assertRaisesRegex(ValueError, "gemm: "):
            flashtile.gemm(a[0], a)


if __name__ == "__main__":
    unittest.main()
