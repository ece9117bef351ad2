// Values that take long to make, such as the compiled kernels of a vendor's library. Called by the vendor ways.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

namespace flashtile::inline v0_2::ops {

/// At most `most` values, each made once. Any thread may call it.
template <class Key, class Value>
class Kept {
 public:
  explicit Kept(std::size_t most) : most_(most) {}

  /// The value of `key`, which make() returns where it is not there yet. It stays valid as long as the caller holds it, even when
  /// the table is full and is emptied.
  template <class Make>
  std::shared_ptr<const Value> find(const Key& key, const Make& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
    auto made = std::make_shared<const Value>(make());
    if (kept_.size() >= most_) kept_.clear();
    kept_[key] = made;
    return made;
  }

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const Value>> kept_;
};

}  // namespace flashtile::inline v0_2::ops
