// GGML_OP_FLASH_ATTN_EXT as calls of flashtile.
#pragma once

#include "clients/ggml/threads.h"
#include "flashtile/tensor.h"

struct ggml_tensor;

namespace flashtile_ggml {

/// Memory that is kept from one op to the next.
struct Scratch {
  flashtile::Tensor q{}, bias{}, workspace{};
};

/// Can flashtile compute this op, and does it so sooner than ggml? Reads no element.
bool takes(const ggml_tensor& op) noexcept;

/// Computes an op that takes() said yes to.
///
/// Numerics  q is rounded to the type of k and v where both are f16 or both bf16, as ggml does it on CPUs; scores, softmax and
///           sums are float32.
/// Errors    Those of flashtile::attention_into().
void compute(const ggml_tensor& op, const Threads& threads, Scratch& scratch);

}  // namespace flashtile_ggml
