// flashtile_merge_attention: structs of C become arguments of merge_attention_into.
#include "flashtile/merge_attention.h"

#include <cstddef>
#include <string>
#include <vector>

#include "c_api/call.h"
#include "c_api/queue.h"

namespace flashtile::c_api {
namespace {

constexpr std::size_t kLeastOptions = offsetof(flashtile_merge_attention_options, queue) + sizeof(void*);

MergeAttentionOptions options_of(const flashtile_merge_attention_options* given) {
  const flashtile_merge_attention_options o = read(given, "merge_attention: options", kLeastOptions);
  if (o.reserved != 0)
    refuse("merge_attention: options.reserved is " + std::to_string(o.reserved) + "; expected 0");
  return {optional_view_of(o.sinks, "merge_attention: sinks"), queue_of(o.queue)};
}

std::vector<TensorView> views_of(const flashtile_tensor* const* tensors, int32_t count, const char* name) {
  if (count > 0) expect_given(tensors, name);
  std::vector<TensorView> views;
  views.reserve(static_cast<std::size_t>(count));
  for (int32_t i = 0; i < count; ++i)
    views.push_back(view_of(tensors[i], (std::string(name) + "[" + std::to_string(i) + "]").c_str()));
  return views;
}

}  // namespace
}  // namespace flashtile::c_api

using namespace flashtile::c_api;

extern "C" {

flashtile_status flashtile_merge_attention(const flashtile_tensor* out, const flashtile_tensor* lse,
                                           int32_t count, const flashtile_tensor* const* outs,
                                           const flashtile_tensor* const* lses,
                                           const flashtile_merge_attention_options* options) {
  return guarded([&] {
    if (count < 0) refuse("merge_attention: count is " + std::to_string(count) + "; expected 0 or more");
    flashtile::merge_attention_into(
        {view_of(out, "merge_attention: out"), optional_view_of(lse, "merge_attention: lse")},
        views_of(outs, count, "merge_attention: outs"), views_of(lses, count, "merge_attention: lses"),
        options_of(options));
  });
}

}  // extern "C"
