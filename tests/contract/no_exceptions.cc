// A program without exceptions and RTTI: compiled with -fno-exceptions -fno-rtti, and linked into the contract
// tests.
#include "tests/contract/no_exceptions.h"

#include "flashtile/attention.h"
#include "flashtile/gemm.h"
#include "flashtile/launch.h"

namespace flashtile::test {

std::string program_without_exceptions() {
  const Result<Queue> queue = Queue::try_cpu({.threads = 2});
  if (!queue) return queue.failure().message;
  const Result<Tensor> q = try_tensor(DType::f32, {1, 2, 3, 8});
  if (!q) return q.failure().message;
  for (std::int64_t i = 0; i < q->size(); ++i) q->as<float>()[i] = 1.0f;
  const AttentionOptions options{.queue = *queue};
  const Result<Plan> plan = try_plan_attention(*q, *q, *q, options);
  if (!plan) return plan.failure().message;
  const Result<Tensor> out = try_attention(*q, *q, *q, options);
  if (!out) return out.failure().message;
  if (out->as<float>()[0] != 1.0f) return "wrong";
  if (const Result<> done = try_attention_into({.out = *q}, *q, *q, *q, options))
    return "in place?";
  else
    return done.failure().message;
}

}  // namespace flashtile::test
