// flashtile_rotary and flashtile_append_kv: structs of C become arguments of rotary_into and append_kv.
#include "flashtile/rotary.h"

#include <cstddef>
#include <string>

#include "c_api/call.h"
#include "c_api/numbers.h"
#include "c_api/queue.h"
#include "flashtile/append_kv.h"

namespace flashtile::c_api {
namespace {

constexpr std::size_t kLeastRotary = offsetof(flashtile_rotary_options, queue) + sizeof(void*);
constexpr std::size_t kLeastAppend = offsetof(flashtile_append_kv_options, queue) + sizeof(void*);

/// What of an embedding is read; its queue is the caller's to look at.
flashtile_rotary_options read_rotary(const flashtile_rotary_options* given, const char* name) {
  const flashtile_rotary_options o = read(given, name, kLeastRotary);
  const auto refuse_field = [&](const std::string& what) { refuse(std::string(name) + "." + what); };
  if (o.pairs != FLASHTILE_HALVES && o.pairs != FLASHTILE_INTERLEAVED) {
    refuse_field("pairs is " + std::to_string(o.pairs) +
                 "; expected FLASHTILE_HALVES or FLASHTILE_INTERLEAVED");
  }
  if (o.reserved != 0) refuse_field("reserved is " + std::to_string(o.reserved) + "; expected 0");
  if (o.frequency_count < 0 || (o.frequencies == nullptr) != (o.frequency_count == 0)) {
    refuse_field("frequency_count is " + std::to_string(o.frequency_count) + " where frequencies is " +
                 (o.frequencies == nullptr ? "NULL" : "given") + "; expected their number, 0 for NULL");
  }
  return o;
}

Rotary embedding_of(const flashtile_rotary_options& o) {
  Rotary embedding{.pairs = static_cast<RotaryPairs>(o.pairs), .dim = o.dim, .inverse = o.inverse != 0};
  if (o.base != 0) embedding.base = o.base;
  embedding.frequencies = {o.frequencies, static_cast<std::size_t>(o.frequency_count)};
  return embedding;
}

AppendKvOptions options_of(const flashtile_append_kv_options* given) {
  const flashtile_append_kv_options o = read(given, "append_kv: options", kLeastAppend);
  if (o.reserved != 0) refuse("append_kv: options.reserved is " + std::to_string(o.reserved) + "; expected 0");
  AppendKvOptions options;
  if (o.rotary != nullptr) {
    const flashtile_rotary_options rotary = read_rotary(o.rotary, "append_kv: rotary");
    if (rotary.queue != nullptr)
      refuse("append_kv: rotary.queue is given; the call's own queue counts: set it to NULL");
    options.rotary = embedding_of(rotary);
  }
  options.block_table = optional_view_of(o.block_table, "append_kv: block_table");
  options.queue = queue_of(o.queue);
  return options;
}

}  // namespace
}  // namespace flashtile::c_api

using namespace flashtile::c_api;

extern "C" {

flashtile_status flashtile_rotary(const flashtile_tensor* out, const flashtile_tensor* x,
                                  const flashtile_tensor* positions, const flashtile_rotary_options* options) {
  return guarded([&] {
    const flashtile_rotary_options o = read_rotary(options, "rotary: options");
    flashtile::rotary_into(view_of(out, "rotary: out"), view_of(x, "rotary: x"),
                           view_of(positions, "rotary: positions"), embedding_of(o), {queue_of(o.queue)});
  });
}

flashtile_status flashtile_append_kv(const flashtile_tensor* cache_k, const flashtile_tensor* cache_v,
                                     const flashtile_tensor* k_new, const flashtile_tensor* v_new,
                                     const flashtile_tensor* positions,
                                     const flashtile_append_kv_options* options) {
  return guarded([&] {
    flashtile::append_kv(view_of(cache_k, "append_kv: cache_k"), view_of(cache_v, "append_kv: cache_v"),
                         view_of(k_new, "append_kv: k_new"), view_of(v_new, "append_kv: v_new"),
                         view_of(positions, "append_kv: positions"), options_of(options));
  });
}

}  // extern "C"
