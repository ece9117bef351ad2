#include "src/metal_emulator/violation.h"

namespace flashtile::metal_emulator {
namespace {

std::string text(const Dim& dim) {
  return "(" + std::to_string(dim.x) + ", " + std::to_string(dim.y) + ", " + std::to_string(dim.z) + ")";
}

/// In the form that editors and CI systems recognise: file:line: error: message [check].
std::string message(const ViolationPlace& place) {
  const std::string where =
      place.file.empty() ? place.kernel : place.file + (place.line > 0 ? ":" + std::to_string(place.line) : "");
  return where + ": error: " + place.explanation + " [" + place.check + "]\n  in kernel " + place.kernel +
         ", " + thread_text(place.thread, place.threadgroup);
}

}  // namespace

std::string thread_text(const Dim& thread, const Dim& threadgroup) {
  return "thread " + text(thread) + " of threadgroup " + text(threadgroup);
}

Violation::Violation(ViolationPlace place)
    : Error(ErrorCode::device_failure, message(place)), place_(std::move(place)) {}

}  // namespace flashtile::metal_emulator
