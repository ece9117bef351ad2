#include "src/metal_emulator/source_line.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "src/metal_emulator/process.h"

namespace flashtile::metal_emulator {
namespace {

struct Image {
  const std::byte *base, *begin = nullptr, *end = nullptr;
};

int measure(dl_phdr_info* info, std::size_t, void* into) {
  Image& image = *static_cast<Image*>(into);
  const auto* base = reinterpret_cast<const std::byte*>(info->dlpi_addr);
  if (base != image.base) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const std::byte* begin = base + info->dlpi_phdr[i].p_vaddr;
    const std::byte* end = begin + info->dlpi_phdr[i].p_memsz;
    image.begin = image.begin == nullptr ? begin : std::min(image.begin, begin);
    image.end = std::max(image.end, end);
  }
  return 1;
}

}  // namespace

SourceLines::SourceLines(std::string path, const void* symbol, std::string own_headers)
    : path_(std::move(path)), own_headers_(std::move(own_headers)) {
  Dl_info info{};
  if (dladdr(symbol, &info) == 0) return;
  Image image{static_cast<const std::byte*>(info.dli_fbase)};
  dl_iterate_phdr(measure, &image);
  base_ = image.base, begin_ = image.begin, end_ = image.end;
}

SourceLine SourceLines::at(const void* return_address) const {
  if (!contains(return_address)) return {};
  std::ostringstream offset;
  // The call itself is the instruction before the one it returns to.
  offset << "0x" << std::hex << static_cast<const std::byte*>(return_address) - 1 - base_;
  const ProcessResult found = run_process({"addr2line", "-i", "-e", path_, offset.str()});
  std::istringstream lines(found.output);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.rfind(':');
    if (colon == std::string::npos || line.rfind(own_headers_, 0) == 0 || line[0] == '?') continue;
    SourceLine result{line.substr(0, colon)};
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), result.line);
    return result;
  }
  return {};
}

}  // namespace flashtile::metal_emulator
