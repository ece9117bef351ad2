#include "c_api/call.h"

#include <algorithm>
#include <span>
#include <utility>

#include "flashtile/log.h"

namespace flashtile::c_api {
namespace {

thread_local Failure last = {};

/// NULL past either end.
const RefusedWay* refused(std::int32_t index) {
  if (index < 0 || index >= flashtile_error_refused_count()) return nullptr;
  return &last.refused[static_cast<std::size_t>(index)];
}

/// No struct of this interface will ever be so long: such a size was never set.
constexpr std::size_t kMostSize = 4096;

constexpr std::size_t kLeastTensor = offsetof(flashtile_tensor, strides) + sizeof(flashtile_tensor::strides);

}  // namespace

flashtile_status failed(Failure failure) noexcept {
  last = std::move(failure);
  return static_cast<flashtile_status>(last.code);
}

void refuse(const std::string& text) { throw Error(ErrorCode::invalid_argument, text); }

void expect_given(const void* pointer, const char* name) {
  if (pointer == nullptr) refuse(std::string(name) + " is NULL; it must be given");
}

void check_size(const void* given, std::size_t size, std::size_t least, std::size_t known, const char* name) {
  if (size < least) {
    refuse(std::string(name) + " has size " + std::to_string(size) + "; expected at least " +
           std::to_string(least) + ", as FLASHTILE_INIT sets it");
  }
  if (size > kMostSize) {
    refuse(std::string(name) + " has size " + std::to_string(size) + "; expected at most " +
           std::to_string(kMostSize) + ", as FLASHTILE_INIT sets it");
  }
  const auto* bytes = static_cast<const unsigned char*>(given);
  for (std::size_t i = known; i < size; ++i) {
    if (bytes[i] == 0) continue;
    refuse(std::string(name) + " sets a field at byte " + std::to_string(i) + ", and this library, flashtile " +
           FLASHTILE_VERSION + ", knows " + std::to_string(known) + " bytes; it needs a newer library");
  }
}

TensorView view_of(const flashtile_tensor* tensor, const char* name) {
  expect_given(tensor, name);
  const flashtile_tensor t = read(tensor, name, kLeastTensor);
  if (t.rank < 0 || t.rank > kMaxRank) {
    refuse(std::string(name) + " has rank " + std::to_string(t.rank) + "; expected 0 ... " +
           std::to_string(kMaxRank));
  }
  if (t.reserved != 0)
    refuse(std::string(name) + " has reserved " + std::to_string(t.reserved) + "; expected 0");
  // A number outside an enumeration is refused by the call that it is given to, in its own words.
  if (t.dtype != static_cast<std::uint8_t>(t.dtype))
    refuse(std::string(name) + " has dtype " + std::to_string(t.dtype) +
           "; expected one such as FLASHTILE_F32");
  if (t.device_type != static_cast<std::uint8_t>(t.device_type)) {
    refuse(std::string(name) + " has device_type " + std::to_string(t.device_type) +
           "; expected one such as FLASHTILE_CPU");
  }
  const auto rank = static_cast<std::size_t>(t.rank);
  return {t.data, static_cast<DType>(t.dtype), Dims(std::span(t.shape, rank)), Dims(std::span(t.strides, rank)),
          Device{static_cast<DeviceType>(t.device_type), t.device_index}};
}

std::optional<TensorView> optional_view_of(const flashtile_tensor* tensor, const char* name) {
  if (tensor == nullptr) return std::nullopt;
  return view_of(tensor, name);
}

}  // namespace flashtile::c_api

extern "C" {

const char* flashtile_error_message(void) { return flashtile::c_api::last.message.c_str(); }

int32_t flashtile_error_refused_count(void) {
  return static_cast<int32_t>(flashtile::c_api::last.refused.size());
}

const char* flashtile_error_refused_way(int32_t index) {
  const auto* way = flashtile::c_api::refused(index);
  return way != nullptr ? way->way.c_str() : "";
}

const char* flashtile_error_refused_reason(int32_t index) {
  const auto* way = flashtile::c_api::refused(index);
  return way != nullptr ? way->reason.c_str() : "";
}

const char* flashtile_status_name(flashtile_status status) {
  return status == FLASHTILE_OK ? "ok" : flashtile::name(static_cast<flashtile::ErrorCode>(status));
}

const char* flashtile_version(void) { return FLASHTILE_VERSION; }

flashtile_status flashtile_set_log(flashtile_log log, void* user) {
  return flashtile::c_api::guarded([&] {
    if (log == nullptr) return flashtile::set_log({});
    flashtile::set_log([log, user](const std::string& text) { log(user, text.c_str()); });
  });
}

flashtile_status flashtile_packed_tensor(flashtile_tensor* tensor, void* data, int32_t dtype, int32_t rank,
                                         const int64_t* shape) {
  using namespace flashtile;
  return c_api::guarded([&] {
    c_api::expect_given(tensor, "packed_tensor: tensor");
    if (rank < 0 || rank > kMaxRank) {
      c_api::refuse("packed_tensor: rank is " + std::to_string(rank) + "; expected 0 ... " +
                    std::to_string(kMaxRank));
    }
    if (rank > 0) c_api::expect_given(shape, "packed_tensor: shape");
    const Dims sizes(std::span(shape, static_cast<std::size_t>(rank)));
    const Dims strides = packed_strides(sizes);
    element_count(sizes);
    flashtile_tensor made;
    FLASHTILE_INIT(made);
    made.dtype = dtype;
    made.data = data;
    made.rank = rank;
    std::copy(sizes.begin(), sizes.end(), made.shape);
    std::copy(strides.begin(), strides.end(), made.strides);
    *tensor = made;
  });
}

}  // extern "C"
