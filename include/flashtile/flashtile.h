// The C interface of flashtile, for C11 and later, for C++, and for every language that calls C.
//
// Status     Every call that can fail returns a flashtile_status: FLASHTILE_OK, or why not; flashtile_error_message() then
//            says more. What a failed call should have written is left as it was, but for the elements of a result.
// Structs    Set `size` to sizeof the struct and the rest to zero, which means the default, as FLASHTILE_INIT does; then set
//            what you need. Fields are only ever appended: a program runs with a newer library, and with an older one as
//            long as the fields that that one lacks are zero.
// Ownership  The library keeps no pointer into a struct or a string that it is given, but for the callbacks of a queue.
//            What flashtile_..._create and flashtile_plan_... make is released by flashtile_..._free, which takes NULL too.
// Threads    Calls are safe from any thread, also on one queue or plan.
#ifndef FLASHTILE_FLASHTILE_H
#define FLASHTILE_FLASHTILE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define FLASHTILE_API __attribute__((visibility("default")))
#else
#define FLASHTILE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// Makes a struct of this header ready: all of it zero, but for its size.
#define FLASHTILE_INIT(object) \
  (memset(&(object), 0, sizeof(object)), (void)((object).size = (uint32_t)sizeof(object)))

/// Why a call failed.
typedef int32_t flashtile_status;
enum {
  FLASHTILE_OK = 0,
  FLASHTILE_INVALID_ARGUMENT = 1,  ///< the call is wrong; the message names the argument and what was found
  FLASHTILE_UNSUPPORTED =
      2,  ///< the call is right, but nothing in this build or on this machine can do it; lists why
  FLASHTILE_OUT_OF_MEMORY = 3,   ///< host or device memory ran out; the library stays usable
  FLASHTILE_DEVICE_FAILURE = 4,  ///< a device or vendor library failed; carries its own text
  FLASHTILE_BAD_FILE = 5,        ///< a file is missing, cut short or malformed
  FLASHTILE_INTERNAL = 6,        ///< a bug in flashtile
  FLASHTILE_CANCELLED = 7        ///< the queue's should_stop said so; results hold what was done by then
};

/// What the last call of this thread that failed says of it; "" before one has. Valid until this thread's next call fails.
FLASHTILE_API const char* flashtile_error_message(void);

/// Where that was FLASHTILE_UNSUPPORTED since no way can run the call, or the one that was asked for cannot: the ways that were
/// asked, each with its reason. Otherwise 0 ways, and "".
FLASHTILE_API int32_t flashtile_error_refused_count(void);
FLASHTILE_API const char* flashtile_error_refused_way(int32_t index);
FLASHTILE_API const char* flashtile_error_refused_reason(int32_t index);

/// "ok", "invalid_argument", ...; "unknown" for a number that is none.
FLASHTILE_API const char* flashtile_status_name(flashtile_status status);

/// The version of the library that runs, such as "0.2.0".
FLASHTILE_API const char* flashtile_version(void);

/// Takes one text of the log, of one line or several; it is valid during the call.
typedef void (*flashtile_log)(void* user, const char* text);

/// Sends the log to a callback, in place of the one before; NULL turns it off, as it is at first. For each different problem
/// that attention and gemm are called with, once, the log has the way that was chosen, and why the ways before it were not; or
/// why none can. The texts are for people. The callback is called by the thread that calls the library, by several at once; one
/// that was replaced may still be in a call that had begun.
FLASHTILE_API flashtile_status flashtile_set_log(flashtile_log log, void* user);

/// The type of a tensor's elements.
enum {
  FLASHTILE_F64 = 0,
  FLASHTILE_F32 = 1,
  FLASHTILE_F16 = 2,
  FLASHTILE_BF16 = 3,
  FLASHTILE_I8 = 4,
  FLASHTILE_U8 = 5,
  FLASHTILE_I32 = 6,
  FLASHTILE_INT4 = 7,  ///< packed in pairs, the element with the even index in the low nibble
  FLASHTILE_UINT4 = 8,
  FLASHTILE_I64 = 9,       ///< for lengths and offsets of attention
  FLASHTILE_F8_E4M3 = 10,  ///< OCP's: no infinity
  FLASHTILE_F8_E5M2 = 11,
  FLASHTILE_Q8_0 =
      12,              ///< ggml's blocks of 32 elements: an f16 scale, 32 i8; shapes and strides count elements
  FLASHTILE_Q4_0 = 13  ///< an f16 scale, 16 bytes: elements i, low, and i + 16, high, each 8 too large
};

/// Kinds of devices.
enum { FLASHTILE_CPU = 0, FLASHTILE_CUDA = 1, FLASHTILE_METAL = 2 };

enum { FLASHTILE_MAX_RANK = 8 };

/// A strided view of the caller's memory.
///
/// Units  Strides are in elements; 0 repeats one element along its dimension. 4-bit types count nibbles.
typedef struct flashtile_tensor {
  uint32_t size;
  int32_t dtype;  ///< FLASHTILE_F32, ...
  void* data;
  int32_t rank;         ///< 0 ... FLASHTILE_MAX_RANK
  int32_t device_type;  ///< FLASHTILE_CPU, ...
  int32_t device_index;
  int32_t reserved;  ///< 0
  int64_t shape[FLASHTILE_MAX_RANK];
  int64_t strides[FLASHTILE_MAX_RANK];
} flashtile_tensor;

/// Fills `tensor` with a view of dense row-major memory on the CPU. Sets its size, too.
/// Errors: invalid_argument for a rank that cannot be, and for sizes that are negative or overflow.
FLASHTILE_API flashtile_status flashtile_packed_tensor(flashtile_tensor* tensor, void* data, int32_t dtype,
                                                       int32_t rank, const int64_t* shape);

/// Fills `tensor` with what a DLPack DLTensor describes (dlpack.h, ABI 1.x and 0.x): its memory, type, shape, strides and
/// device. Sets its size, too. The memory stays its owner's. Booleans become u8; pinned host memory is the CPU's.
/// Errors: invalid_argument for more than FLASHTILE_MAX_RANK dimensions, and for vectors as elements; unsupported for types
/// and devices that flashtile does not know.
FLASHTILE_API flashtile_status flashtile_tensor_from_dlpack(flashtile_tensor* tensor, const void* dl_tensor);

/// Where work runs: a set of CPU threads, or a stream of a GPU. Opaque.
typedef struct flashtile_queue flashtile_queue;

/// What an executor calls, once for each i in [0, count).
typedef void (*flashtile_body)(void* context, int64_t i);

/// A caller's own threads: calls body(context, i) once for each i in [0, count), on any threads, and returns when all of
/// them have returned.
typedef void (*flashtile_executor)(void* user, int64_t count, flashtile_body body, void* context);

/// Not 0 ends the call that asks.
typedef int32_t (*flashtile_should_stop)(void* user);

typedef struct flashtile_cpu_queue_options {
  uint32_t size;
  int32_t
      threads;  ///< at most this many work at once, up to 65536; 0: FLASHTILE_THREADS, or else every hardware thread
  flashtile_executor executor;  ///< used instead of the library's own threads; NULL: those
  void* executor_user;          ///< its first argument
  flashtile_should_stop
      should_stop;         ///< asked before each task of a call, by several threads at once; NULL: never
  void* should_stop_user;  ///< its argument
} flashtile_cpu_queue_options;

/// A queue of CPU threads. Options NULL: all defaults. After a fork the child may use one that nobody was in at that moment.
/// Errors: invalid_argument for a number of threads that cannot be.
FLASHTILE_API flashtile_status flashtile_queue_create_cpu(flashtile_queue** queue,
                                                          const flashtile_cpu_queue_options* options);

/// A queue over the caller's cudaStream_t; NULL: the default stream. Errors: unsupported, with the reason.
FLASHTILE_API flashtile_status flashtile_queue_create_cuda(flashtile_queue** queue, int32_t device_index,
                                                           void* stream);

FLASHTILE_API int32_t flashtile_queue_threads(const flashtile_queue* queue);  ///< 1 on a GPU, 0 for NULL

/// Waits for all work of this queue. Errors: device_failure, also for work that failed after its call returned.
FLASHTILE_API flashtile_status flashtile_queue_synchronize(const flashtile_queue* queue);

/// No call may be using the queue any more.
FLASHTILE_API void flashtile_queue_free(flashtile_queue* queue);

/// What a call will do, and why. Opaque.
typedef struct flashtile_plan flashtile_plan;

/// Where queries lie among the keys: query i is at position i + offset.
enum {
  FLASHTILE_NOT_GIVEN = 0,
  FLASHTILE_TOP_LEFT = 1,  ///< offset 0: the first query is where the first key is
  FLASHTILE_BOTTOM_RIGHT =
      2,                 ///< offset Lkv - Lq, which may be negative: the last query is where the last key is
  FLASHTILE_OFFSET = 3,  ///< the number that the field beside it holds
  FLASHTILE_OFFSETS = 4  ///< one number of each batch entry, in the tensor (B) of i32 or i64 of that field
};

/// A query sees keys from `left` before its position to `right` after it, both included; -1: no limit on that side.
typedef struct flashtile_window {
  int64_t left, right;
} flashtile_window;

typedef struct flashtile_attention_options {
  uint32_t size;
  /// Set for causal attention: a query sees no key after its position. One of FLASHTILE_TOP_LEFT ... FLASHTILE_OFFSETS.
  int32_t causal;
  int64_t causal_offset;        ///< with FLASHTILE_OFFSET
  int64_t query_offset_number;  ///< with FLASHTILE_OFFSET
  int32_t
      query_offset;  ///< where queries lie, for windows and slopes; FLASHTILE_NOT_GIVEN: as causal says, or else 0
  float softcap;  ///< scores become softcap * tanh(score / softcap), after the scale and before masks; 0: off
  const float* scale;              ///< multiplies raw scores in float32; NULL: 1/sqrt(D)
  const flashtile_window* window;  ///< NULL: none
  const flashtile_tensor*
      mask;  ///< u8, broadcast to (B, Hq, Lq, Lkv): a query attends to a key where it is not 0
  const flashtile_tensor*
      bias;         ///< f32, f16 or bf16, broadcast likewise: added to the score; -inf excludes exactly
  const char* way;  ///< forces a way by its name ("unfused", "tensor_ops", ...); NULL or "": the best that can
  const flashtile_queue* queue;            ///< NULL: the process-wide queue of q's device
  const flashtile_tensor* causal_offsets;  ///< of causal, with FLASHTILE_OFFSETS
  const flashtile_tensor* query_offsets;   ///< of query_offset, with FLASHTILE_OFFSETS
  /// How many rows of q, and of k and v, are there in each batch entry: (B) of i32 or i64 on q's device. Rows behind them
  /// are not read; out is 0 there, and lse -inf. NULL: all.
  const flashtile_tensor* q_lengths;
  const flashtile_tensor* kv_lengths;
  const flashtile_tensor*
      alibi_slopes;               ///< f32 (Hq) or (B, Hq): scores lose slope * |position of the query - key|
  const flashtile_tensor* sinks;  ///< f32 (Hq): a further logit of each row, without a value; lse includes it
  /// Where packed sequences begin, (B + 1) of i32 or i64 on q's device, ascending: q is (Tq, Hq, D) then, out (Tq, Hq, Dv) and
  /// lse (Tq, Hq); with those of k and v these are (Tk, Hkv, D) and (Tk, Hkv, Dv). NULL: they have 4 dimensions.
  const flashtile_tensor* q_row_starts;
  const flashtile_tensor* kv_row_starts;
  /// i32 (B, most) on q's device: k and v are pools of pages (pages, page size, Hkv, D or Dv), and row j of batch entry b is row
  /// j % page size of page block_table[b, j / page size]; kv_lengths says how many rows there are. NULL: no pools.
  const flashtile_tensor* block_table;
  /// i32 (B, Lq) and (B, Lkv), both or neither: a query attends only to keys whose id is its own. NULL: to any.
  const flashtile_tensor* q_segments;
  const flashtile_tensor* kv_segments;
  /// u8 (1 or B, 1 or Hq, ceil(Lq / q_block), ceil(Lkv / kv_block)): the blocks whose entry is 0 are hidden and cost nothing.
  const flashtile_tensor* block_map;
  int64_t q_block, kv_block;  ///< queries and keys of a block of block_map; 0 without it
  /// Scales of k and v where these are i8, int4 or f8: f32 or f16; of rank 0, (Hkv), or the dimensions of k (of v), each 1 or
  /// as long, the last one the number of scales of a row. NULL: none; f8 then counts as it is.
  const flashtile_tensor* k_scales;
  const flashtile_tensor* v_scales;
} flashtile_attention_options;

/// How far scores have come.
enum {
  FLASHTILE_SCORES_RAW = 0,           ///< scale * q·k of every pair, hidden or not
  FLASHTILE_SCORES_CAPPED = 1,        ///< the same after the softcap
  FLASHTILE_SCORES_BIASED = 2,        ///< with slope and bias, -inf where hidden: what the softmax takes
  FLASHTILE_SCORES_PROBABILITIES = 3  ///< what it gives, 0 where hidden
};

/// Memory for results and scratch, all of it the caller's: none of it is shared with another argument.
typedef struct flashtile_attention_outputs {
  uint32_t size;
  int32_t score_stage;          ///< of scores, FLASHTILE_SCORES_RAW, ...; 0 without them
  const flashtile_tensor* out;  ///< (B, Hq, Lq, Dv), dtype of q or f32, innermost stride 1
  const flashtile_tensor* lse;  ///< (B, Hq, Lq) f32: natural log of the sum of exp(scores); NULL: not wanted
  void* workspace;              ///< 64-byte aligned, on the device; NULL: the library takes what it needs
  uint64_t workspace_bytes;     ///< at least flashtile_plan_workspace_bytes() of a plan with these outputs
  /// (B, Hq, Lq, Lkv), dtype of q or f32, innermost stride 1: scores at one stage, by the way "unfused" alone, and not of packed
  /// sequences. Pairs with a padding row have 0, or -inf in stage biased. NULL: not wanted.
  const flashtile_tensor* scores;
} flashtile_attention_outputs;

/// Scaled dot-product attention: out = softmax(scale * Q K^T + mask) V.
///
/// Shapes    q (B, Hq, Lq, D), k (B, Hkv, Lkv, D), v (B, Hkv, Lkv, Dv) -> out (B, Hq, Lq, Dv). Hq is a multiple of Hkv:
///           query head h reads KV head h / (Hq / Hkv). Any length may be 0. D is 1 ... 576 and Dv 1 ... 512 on
///           CPUs, both 1 ... 256 on GPUs. Packed sequences and pools of pages have other shapes: see q_row_starts,
///           kv_row_starts and block_table.
/// Strides   Any, also 0, in all dimensions but the last, whose stride is 1.
/// Types     q is f32, f16 or bf16, out is of q's type or f32. k and v are of q's type, or each of f32, f16, bf16, i8, int4,
///           f8_e4m3, f8_e5m2, q8_0 or q4_0.
/// Numerics  Scores, softmax and sums are float32. A query with no key to attend to gives exactly 0, and lse -inf.
/// Errors    invalid_argument names the argument, some by its name in C++: lengths.kv is kv_lengths, mask.blocks is block_map;
///           unsupported lists each way and its reason.
/// Options   NULL: all defaults. Asynchronous on a GPU queue.
FLASHTILE_API flashtile_status flashtile_attention(const flashtile_attention_outputs* outputs,
                                                   const flashtile_tensor* q, const flashtile_tensor* k,
                                                   const flashtile_tensor* v,
                                                   const flashtile_attention_options* options);

/// What flashtile_attention() would do; data pointers may be NULL. Without outputs: for a packed out and no lse.
FLASHTILE_API flashtile_status flashtile_plan_attention(flashtile_plan** plan,
                                                        const flashtile_attention_outputs* outputs,
                                                        const flashtile_tensor* q, const flashtile_tensor* k,
                                                        const flashtile_tensor* v,
                                                        const flashtile_attention_options* options);

/// flashtile_attention() as the handler of a custom call of XLA, version 4 ("typed FFI"), on CPUs: for JAX, which it is
/// registered with. Takes an XLA_FFI_CallFrame, returns an XLA_FFI_Error or NULL; python/flashtile/jax.py is how it is called.
FLASHTILE_API void* flashtile_xla_attention(void* call_frame);

typedef struct flashtile_merge_attention_options {
  uint32_t size;
  uint32_t reserved;  ///< 0
  const flashtile_tensor*
      sinks;  ///< (Hq) f32: a logit of each head that only the denominator counts; NULL: none
  const flashtile_queue* queue;  ///< NULL: the process-wide queue of out's device
} flashtile_merge_attention_options;

/// Merges attention over parts of the keys, computed without sinks, into that over the keys of all parts.
///
/// Shapes    outs (B, Hq, L, Dv) each, lses (B, Hq, L) each, `count` of both -> out and lse of the same shapes. Any count.
/// Types     out and each of outs is f32, f16 or bf16, lses and lse are f32.
/// Numerics  out = sum exp(lse_i - lse) out_i, in float32. A part whose lse is -inf is not read. A row without keys gives
///           exactly 0 and lse -inf, or its head's sink.
/// Errors    As flashtile_attention(). lse NULL: not wanted. Options NULL: all defaults. Asynchronous on a GPU queue.
FLASHTILE_API flashtile_status flashtile_merge_attention(const flashtile_tensor* out,
                                                         const flashtile_tensor* lse, int32_t count,
                                                         const flashtile_tensor* const* outs,
                                                         const flashtile_tensor* const* lses,
                                                         const flashtile_merge_attention_options* options);

/// Which elements of a row a rotary embedding turns together, of the first R.
enum {
  FLASHTILE_HALVES = 0,      ///< i and i + R/2, as Llama and GPT-NeoX do
  FLASHTILE_INTERLEAVED = 1  ///< 2i and 2i + 1, as GPT-J does
};

/// Pair i of a row at position p becomes (a cos t - b sin t, b cos t + a sin t) with t = p * frequency_i.
typedef struct flashtile_rotary_options {
  uint32_t size;
  int32_t pairs;              ///< FLASHTILE_HALVES, ...
  int64_t dim;                ///< R: so many elements of each row are turned; even, at most 576; 0: all of them
  double base;                ///< frequency_i = base^(-2i/R), in radians a position; 0: 10000
  const double* frequencies;  ///< used instead of base; NULL: base is
  int64_t frequency_count;    ///< of them: R/2
  int32_t inverse;            ///< not 0: turns back
  int32_t reserved;           ///< 0
  const flashtile_queue* queue;  ///< NULL: the process-wide queue of x's device
} flashtile_rotary_options;

/// Turns rows by their positions, as rotary position embeddings do.
///
/// Shapes    x (B, H, L, D) -> out, the same; positions i32, broadcast to (B, L): any, also negative.
/// Types     f32, f16 or bf16, the same for x and out. out may be x itself.
/// Numerics  Sine and cosine are right to 1e-6 at any position; products and sums are float32.
/// Errors    As flashtile_attention(). Options NULL: all defaults. Asynchronous on a GPU queue.
FLASHTILE_API flashtile_status flashtile_rotary(const flashtile_tensor* out, const flashtile_tensor* x,
                                                const flashtile_tensor* positions,
                                                const flashtile_rotary_options* options);

typedef struct flashtile_append_kv_options {
  uint32_t size;
  uint32_t reserved;  ///< 0
  const flashtile_rotary_options*
      rotary;  ///< turns the rows of k_new by their positions; its queue is NULL. NULL: they are stored as they are
  const flashtile_tensor*
      block_table;  ///< i32 (B, most): the caches are pools of pages, and entry [b, n] is a page of b. NULL: not
  const flashtile_queue* queue;  ///< NULL: the process-wide queue of the tensors' device
} flashtile_append_kv_options;

/// Stores new rows at their positions in a cache of keys and values.
///
/// Shapes    cache_k (B, Hkv, C, D), cache_v (B, Hkv, C, Dv), or with a block table (pages, page size, Hkv, D) and
///           (pages, page size, Hkv, Dv); k_new (B, Hkv, L, D), v_new (B, Hkv, L, Dv); positions i32, broadcast to (B, L):
///           the row of the cache, -1 for a new row that is not stored.
/// Types     Each f32, f16 or bf16; rows are converted.
/// Errors    As flashtile_attention(), on CPUs also for an index out of range; GPUs do not store such rows. Options NULL:
///           all defaults. Asynchronous on a GPU queue.
FLASHTILE_API flashtile_status flashtile_append_kv(const flashtile_tensor* cache_k,
                                                   const flashtile_tensor* cache_v,
                                                   const flashtile_tensor* k_new, const flashtile_tensor* v_new,
                                                   const flashtile_tensor* positions,
                                                   const flashtile_append_kv_options* options);

typedef struct flashtile_gemm_options {
  uint32_t size;
  float beta;          ///< 0: the old content of C is never read, NaN included
  const float* alpha;  ///< NULL: 1
  const char* way;     ///< as in flashtile_attention_options
  const flashtile_queue* queue;
} flashtile_gemm_options;

/// C = alpha * A B + beta * C.
///
/// Shapes    A (M, K), B (K, N), C (M, N), each with unit stride in one dimension: a transposed operand is a view with
///           its shape and strides exchanged. M, N and K may be 0.
/// Types     The rows of matmul2d's type table: f32, f16, bf16 and mixtures of them, i8, u8 and 4-bit integers.
/// Numerics  Sums are float32 or int32, rounded once at the end.
/// Errors    As flashtile_attention().
FLASHTILE_API flashtile_status flashtile_gemm(const flashtile_tensor* c, const flashtile_tensor* a,
                                              const flashtile_tensor* b, const flashtile_gemm_options* options);

/// What flashtile_gemm() would do; data pointers may be NULL.
FLASHTILE_API flashtile_status flashtile_plan_gemm(flashtile_plan** plan, const flashtile_tensor* c,
                                                   const flashtile_tensor* a, const flashtile_tensor* b,
                                                   const flashtile_gemm_options* options);

// What a plan says. Strings belong to the plan. NULL gives "" and 0.
FLASHTILE_API const char* flashtile_plan_op(const flashtile_plan* plan);   ///< "attention" or "gemm"
FLASHTILE_API const char* flashtile_plan_way(const flashtile_plan* plan);  ///< "flash.cpu", "tensor_ops", ...
FLASHTILE_API const char* flashtile_plan_kernel(
    const flashtile_plan* plan);  ///< "tensor_ops f32 avx512 64x64x64"
FLASHTILE_API uint64_t flashtile_plan_workspace_bytes(const flashtile_plan* plan);
FLASHTILE_API int32_t
flashtile_plan_stores_scores(const flashtile_plan* plan);  ///< 1: memory grows with Lq x Lkv
/// Ways that come before the chosen one, or all others when one was forced, each with its reason.
FLASHTILE_API int32_t flashtile_plan_refused_count(const flashtile_plan* plan);
FLASHTILE_API const char* flashtile_plan_refused_way(const flashtile_plan* plan, int32_t index);
FLASHTILE_API const char* flashtile_plan_refused_reason(const flashtile_plan* plan, int32_t index);
FLASHTILE_API const char* flashtile_plan_text(const flashtile_plan* plan);  ///< a few lines for people
FLASHTILE_API const char* flashtile_plan_json(const flashtile_plan* plan);  ///< one object on one line
FLASHTILE_API void flashtile_plan_free(flashtile_plan* plan);

/// One row of an op's table of ways, best first. Strings stay for as long as the library does.
typedef struct flashtile_way_info {
  uint32_t size;
  int32_t built;  ///< 0: left out of this build
  const char* name;
  const char* about;  ///< one line
} flashtile_way_info;

FLASHTILE_API int32_t flashtile_attention_way_count(void);
FLASHTILE_API int32_t flashtile_gemm_way_count(void);
/// Fills `way`, whose size is set. Errors: invalid_argument for an index out of range.
FLASHTILE_API flashtile_status flashtile_attention_way(int32_t index, flashtile_way_info* way);
FLASHTILE_API flashtile_status flashtile_gemm_way(int32_t index, flashtile_way_info* way);

/// A device of this machine; or, with compute_units 0, a kind of which this build or machine has none, and why.
typedef struct flashtile_device_info {
  uint32_t size;
  int32_t device_type;
  int32_t device_index;
  int32_t compute_units;  ///< hardware threads, multiprocessors or GPU cores
  uint64_t memory_bytes;
  const char* name;                ///< as the vendor spells it
  const char* architecture;        ///< "avx512", "sm_90", ...: what kernels are chosen by
  const char* unavailable_reason;  ///< "" for a device
} flashtile_device_info;

FLASHTILE_API int32_t flashtile_device_count(void);
/// Fills `device`, whose size is set. Errors: invalid_argument for an index out of range.
FLASHTILE_API flashtile_status flashtile_device(int32_t index, flashtile_device_info* device);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // FLASHTILE_FLASHTILE_H
