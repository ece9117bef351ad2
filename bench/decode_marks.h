// The marks of few queries on long keys, of each type of keys and values. Called by forward_marks.cc.
#pragma once

#include <memory>

#include "bench/marks.h"

namespace flashtile::bench {

class DecodeMarks {
 public:
  /// Makes the keys and values: 9 GB of them, unless the run is a quick one.
  explicit DecodeMarks(Marks& marks);
  DecodeMarks(const DecodeMarks&) = delete;
  DecodeMarks& operator=(const DecodeMarks&) = delete;
  ~DecodeMarks();

  void run(const Queue& queue);

 private:
  struct Caches;
  Marks& marks_;
  std::unique_ptr<Caches> caches_;
};

}  // namespace flashtile::bench
