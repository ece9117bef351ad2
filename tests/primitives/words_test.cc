// Words that no kernel of the library uses, in the text that Metal compiles too.
#include "tests/primitives/words_check.h"

namespace flashtile::test {
namespace {

TEST(Words, MeanTheSameOnEveryBackend) {
  check_words(test_device(), [](Words words, const WordParams& params) {
    switch (words) {
      case Words::linear: return run<LinearWords>(params);
      case Words::softmax: return run<SoftmaxWords>(params);
      case Words::matrices: return run<MatrixWords>(params);
      case Words::inputs: return run<InputWords>(params);
      case Words::thread: return run<ThreadWords>(params);
      case Words::results: return run<ResultWords>(params);
    }
  });
}

}  // namespace
}  // namespace flashtile::test
