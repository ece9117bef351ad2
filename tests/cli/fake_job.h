// A job without a problem, for the tests of what is made of results.
#pragma once

#include <string>
#include <vector>

#include "cli/job.h"
#include "flashtile/error.h"

namespace flashtile::cli {

/// Three ways: one is right, one is wrong, one declines.
class FakeJob final : public Job {
 public:
  FakeJob() : Job(Queue::cpu({.threads = 1})) {}
  std::vector<WayInfo> ways() const override {
    return {{"right", true, ""}, {"wrong", true, ""}, {"absent", false, ""}};
  }
  Plan plan(const std::string& way) const override {
    if (way == "absent")
      throw Error(ErrorCode::unsupported, "gemm: way absent cannot run this call: it is not there",
                  {{"absent", "it is not there"}});
    if (way == "broken") throw Error(ErrorCode::internal, "broken");
    Plan plan;
    plan.way = way.empty() ? "right" : way;
    plan.kernel = "kernel of " + plan.way;
    return plan;
  }
  std::function<void()> prepare(const std::string& way) override {
    return [this, way] {
      last_ = way;
      calls_ += way + " ";
    };
  }
  Verdict verify(std::int64_t rows, const std::function<void(std::int64_t)>& row_done) override {
    Verdict verdict;
    verdict.compare(last_ == "wrong" ? 2 : 1, 1, 0.5, [] { return "c[0,0]"; });
    verdict.rows = rows;
    row_done(rows);
    return verdict;
  }
  void write_results() override { calls_ += "write "; }
  bench::Work work() const override { return {1e6, 1e3}; }
  DType dtype() const override { return DType::f32; }
  Json describe() const override { return {{"op", "gemm"}, {"dtype", "f32"}, {"m", 1}}; }
  const std::vector<std::int64_t>& shape() const override { return shape_; }

  std::string calls_;

 private:
  std::string last_;
  std::vector<std::int64_t> shape_{1, 2, 3};
};

inline Options options_for(std::vector<std::string> ways) {
  Options options;
  options.op = Op::gemm;
  options.shapes = {{1, 2, 3}};
  options.ways = std::move(ways);
  options.rows = 5;
  return options;
}

}  // namespace flashtile::cli
