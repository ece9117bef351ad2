// What the emulator's tests share: kernel files compiled once a program, and launches with vectors as buffers.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "src/metal_emulator/emulator.h"

namespace flashtile::metal_emulator {

/// tests/metal_emulator/<name>.metal, compiled at the first call.
inline Module& module_of(const std::string& name) {
  static std::map<std::string, Module> modules;
  const auto found = modules.find(name);
  if (found != modules.end()) return found->second;
  return modules.emplace(name, Module::from_file("tests/metal_emulator/" + name + ".metal")).first->second;
}

template <class T>
std::span<std::byte> bytes_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

/// The id of the check that a launch violates; "none" when it ends well.
inline std::string violated(Module& module, const Launch& launch) {
  try {
    module.run(launch);
  } catch (const Violation& violation) {
    return violation.place().check;
  }
  return "none";
}

}  // namespace flashtile::metal_emulator
