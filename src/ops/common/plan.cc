// How a Plan prints.
#include "flashtile/plan.h"

#include <cstdio>
#include <string>

namespace flashtile::inline v0_2 {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': result += "\\\""; break;
      case '\\': result += "\\\\"; break;
      case '\n': result += "\\n"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
          result += escape;
        } else {
          result += c;
        }
    }
  }
  return result + "\"";
}

}  // namespace

std::string Plan::to_string() const {
  std::string text = op + " by " + way + " on " + name(device) + "\n  kernel: " + kernel +
                     "\n  workspace: " + std::to_string(workspace_bytes) + " bytes" +
                     (stores_scores ? ", which hold scores: memory grows with Lq x Lkv" : "") + "\n";
  for (const RefusedWay& other : refused) text += "  not " + other.way + ": " + other.reason + "\n";
  return text;
}

std::string Plan::to_json() const {
  std::string text = "{\"op\": " + quoted(op) + ", \"way\": " + quoted(way) +
                     ", \"device\": " + quoted(name(device)) + ", \"kernel\": " + quoted(kernel) +
                     ", \"workspace_bytes\": " + std::to_string(workspace_bytes) +
                     ", \"stores_scores\": " + (stores_scores ? "true" : "false") + ", \"refused\": [";
  for (const RefusedWay& other : refused) {
    text += (&other == refused.data() ? "{" : ", {");
    text += "\"way\": " + quoted(other.way) + ", \"reason\": " + quoted(other.reason) + "}";
  }
  return text + "]}";
}

}  // namespace flashtile::inline v0_2
