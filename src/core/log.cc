#include "src/core/log.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace flashtile::inline v0_2 {
namespace {

/// A program whose lengths always differ would keep a text for each: then it starts anew.
constexpr std::size_t kMostKept = 4096;

struct Log {
  std::mutex mutex;
  std::shared_ptr<const LogCallback> callback;  // null: off
  std::unordered_set<std::string> written;
};

/// Never destroyed: threads may log while the process ends.
Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

std::atomic<bool> is_on{false};

/// The callback, if it has not had the text.
std::shared_ptr<const LogCallback> callback_for(const std::string& text) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  if (!log.callback) return nullptr;
  if (log.written.size() >= kMostKept) log.written.clear();
  return log.written.insert(text).second ? log.callback : nullptr;
}

}  // namespace

void set_log(LogCallback callback) {
  auto next = callback ? std::make_shared<const LogCallback>(std::move(callback)) : nullptr;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  is_on = next != nullptr;
  log.callback.swap(next);  // the one before is destroyed after the lock is given back
  log.written.clear();
}

bool core::is_logged() noexcept { return is_on.load(std::memory_order_relaxed); }

void core::log_once(const std::string& text) noexcept {
  try {
    if (const auto callback = callback_for(text)) (*callback)(text);
  } catch (...) {  // the log changes no result
    return;
  }
}

}  // namespace flashtile::inline v0_2
