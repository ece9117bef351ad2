// One problem in memory, ready to be run by any way and compared with the oracle: what run, check, bench and
// explain work on.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/flops.h"
#include "cli/arguments.h"
#include "cli/verdict.h"
#include "flashtile/device.h"
#include "flashtile/plan.h"

namespace flashtile::cli {

using Json = nlohmann::ordered_json;

class Job {
 public:
  virtual ~Job() = default;

  virtual std::vector<WayInfo> ways() const = 0;

  /// What a way ("" = the best that can) would do. Errors: unsupported with the way's reason, invalid_argument.
  virtual Plan plan(const std::string& way) const = 0;

  /// Takes the memory that a way needs; the function then computes the whole result, asynchronously on a GPU
  /// queue. The result's memory is the function's own and starts as not_written(). Errors: as plan().
  virtual std::function<void()> prepare(const std::string& way) = 0;

  /// Compares the result of what was prepared last with the oracle: `rows` of its rows, chosen by the seed; 0 =
  /// as many as take about a second, -1 = all.
  /// row_done(how many rows are compared) is called after each of them, from any thread.
  virtual Verdict verify(std::int64_t rows, const std::function<void(std::int64_t)>& row_done) = 0;

  /// Writes the result of what was prepared last to the files that the options name, if they name any.
  virtual void write_results() = 0;

  /// What a user should know about the inputs: what was converted, and what a file holds that is not used.
  const std::vector<std::string>& notes() const { return notes_; }

  virtual bench::Work work() const = 0;
  virtual DType dtype() const = 0;
  virtual Json describe()
      const = 0;  ///< op, device, dtype, the shape's parts and what else defines the problem
  virtual const std::vector<std::int64_t>& shape() const = 0;

  const Queue& queue() const { return queue_; }

 protected:
  explicit Job(const Queue& queue) : queue_(queue) {}

  std::vector<std::string> notes_;

 private:
  Queue queue_;
};

/// Whether the inputs' values matter, or only their shapes (explain).
enum class Values { needed, unused };

/// The jobs that the options describe, one a shape; each is made when it is asked for, since inputs may be
/// large. Errors: bad_file, invalid_argument, unsupported.
std::vector<std::function<std::unique_ptr<Job>()>> jobs_of(const Options& options,
                                                           Values values = Values::needed);

/// The names that --way stands for. Errors: unsupported when auto finds none.
std::vector<std::string> way_names(const Job& job, const std::vector<std::string>& asked);

/// The queue of --device and --threads.
Queue queue_of(const Options& options);

std::unique_ptr<Job> make_attention_job(const Options& options, const std::vector<std::int64_t>& shape,
                                        Values values);
std::unique_ptr<Job> make_gemm_job(const Options& options, const std::vector<std::int64_t>& shape,
                                   Values values);

}  // namespace flashtile::cli
