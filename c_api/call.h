// What every function of the C interface is made of: its status, and its arguments as the C++ interface has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>

#include "flashtile/error.h"
#include "flashtile/flashtile.h"
#include "flashtile/tensor.h"
#include "src/core/attempt.h"

namespace flashtile::c_api {

/// The status of a failure. Its message becomes the one of this thread.
flashtile_status failed(Failure failure) noexcept;

/// Calls f. Nothing that it throws leaves here: it becomes this thread's message.
template <class F>
flashtile_status guarded(F&& f) noexcept {
  const Result<> result = core::attempt([&] { f(); });
  return result ? FLASHTILE_OK : failed(result.failure());
}

[[noreturn]] void refuse(const std::string& message);

/// Refuses NULL where a pointer must be given.
void expect_given(const void* pointer, const char* name);

/// The memory of a caller's struct that this library's has no field for must be zero.
void check_size(const void* given, std::size_t size, std::size_t least, std::size_t known, const char* name);

/// A caller's struct as this library knows it: fields that the caller's lacks are zero.
/// Errors: invalid_argument for a size that cannot be, and for a field of a newer library that is set.
template <class T>
T read(const T* given, const char* name, std::size_t least) {
  static_assert(std::is_trivially_copyable_v<T> && offsetof(T, size) == 0);
  T known{};
  if (given == nullptr) return known;
  const std::size_t size = given->size;
  check_size(given, size, least, sizeof(T), name);
  std::memcpy(&known, given, size < sizeof(T) ? size : sizeof(T));
  return known;
}

/// Gives the caller as many fields as its struct has. Errors: invalid_argument for NULL and for a size that cannot be.
template <class T>
void write(T* given, T known, const char* name, std::size_t least) {
  expect_given(given, name);
  const std::size_t size = given->size;
  check_size(given, size, least, size, name);
  known.size = given->size;
  std::memcpy(given, &known, size < sizeof(T) ? size : sizeof(T));
}

/// A tensor that must be there. Errors: invalid_argument for NULL, a bad size, rank or type.
TensorView view_of(const flashtile_tensor* tensor, const char* name);

/// A tensor that may be NULL.
std::optional<TensorView> optional_view_of(const flashtile_tensor* tensor, const char* name);

}  // namespace flashtile::c_api
