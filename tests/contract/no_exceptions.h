// What no_exceptions.cc does: a call of each kind; the message of the failure that it ends with.
#pragma once

#include <string>

namespace flashtile::test {

std::string program_without_exceptions();

}  // namespace flashtile::test
