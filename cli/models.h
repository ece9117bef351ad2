// Attention calls of known models, by name: what --model and --phase stand for, and what --models lists. The facts are
// those of the models' published configurations.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"

namespace flashtile::cli {

/// The calls of one phase of a model, one for each kind of layer, with all that the given options say beside them (ways,
/// device, seed, ...); just the options where they name no model. Errors: invalid_argument for unknown names, and for
/// phases that a model lacks.
std::vector<Options> calls_of(const Options& options);

/// Every model with its layers and the lengths of its phases, as text.
std::string list_of_models();

}  // namespace flashtile::cli
