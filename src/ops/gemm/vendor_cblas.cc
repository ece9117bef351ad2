// The way `vendor.cblas`: the system's BLAS, one thread a call, its blocks spread over the queue's threads.
//
// OpenBLAS's own threads keep spinning after a product and so slow down what follows, and they respect neither
// the queue's thread count nor a caller's executor.
#include <algorithm>
#include <string>

#include "src/ops/common/on_threads.h"
#include "src/ops/gemm/ways.h"

#if FLASHTILE_HAS_CBLAS
#include <pthread.h>

#include <mutex>

#include "src/backends/vendor_library.h"
#endif

namespace flashtile::inline v0_2::ops {

constexpr std::string_view kName = "vendor.cblas", kAbout = "the system's BLAS (OpenBLAS); float32";

#if FLASHTILE_HAS_CBLAS
namespace {

/// The system's CBLAS with 32-bit sizes, OpenBLAS before any other, opened on first use. Its
/// header is not needed: the interface is one function of the BLAS Technical Forum's standard,
/// and three numbers of its enums.
struct Cblas {
  static constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

#if defined(__APPLE__)
  backend::VendorLibrary library{{"libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                                  "/System/Library/Frameworks/Accelerate.framework/Accelerate"}};
#else
  backend::VendorLibrary library{{"libopenblas.so.0", "libopenblas.so", "libcblas.so.3", "libblas.so.3"}};
#endif
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a,
                int a_stride, const float* b, int b_stride, float beta, float* c, int c_stride) = nullptr;
  // OpenBLAS has these, another CBLAS leaves them null.
  int (*get_num_threads)() = nullptr;
  void (*set_num_threads)(int) = nullptr;

  Cblas() {
    library.find("cblas_sgemm", sgemm);
    library.find_optional("openblas_get_num_threads", get_num_threads);
    library.find_optional("openblas_set_num_threads", set_num_threads);
  }
  static Cblas& get() {
    static Cblas& cblas = *new Cblas;  // never destroyed: calls may come while the process exits
    return cblas;
  }
};

/// While one of these lives, OpenBLAS runs each call on the caller's thread; the last one
/// restores what was set before. A forked child has none of its parent's.
class OneThreadACall {
 public:
  explicit OneThreadACall(const Cblas& library) : cblas(library) {
    if (!can_be_set()) return;
    static const int registered = pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); },
                                                 [] {
                                                   users = 0;
                                                   mutex.unlock();
                                                 });
    static_cast<void>(registered);
    const std::lock_guard lock(mutex);
    if (users++ > 0) return;
    before = cblas.get_num_threads();
    if (before != 1) cblas.set_num_threads(1);
  }
  ~OneThreadACall() {
    if (!can_be_set()) return;
    const std::lock_guard lock(mutex);
    if (--users == 0 && before != 1) cblas.set_num_threads(before);
  }
  OneThreadACall(const OneThreadACall&) = delete;
  OneThreadACall& operator=(const OneThreadACall&) = delete;

 private:
  bool can_be_set() const { return cblas.set_num_threads != nullptr && cblas.get_num_threads != nullptr; }

  const Cblas& cblas;
  inline static std::mutex mutex;
  inline static int users = 0, before = 1;
};

std::string_view declines(const GemmProblem& problem) {
  const kernels::GemmParams& p = problem.params;
  if (problem.a_dtype != DType::f32 || problem.b_dtype != DType::f32 || problem.c_dtype != DType::f32) {
    return "CBLAS multiplies f32 with f32 only";
  }
  if (!problem.lines_ascend()) return "CBLAS needs lines that do not overlap, in ascending order";
  if (std::max({p.a_stride, p.b_stride, p.c_stride}) > (std::int64_t{1} << 31) - 1)
    return "CBLAS counts strides in 32 bits";
  if (p.k == 0) return "CBLAS may read C where K = 0 and beta = 0";
  return Cblas::get().library.missing();
}

/// Parts of C, cut along its longer side. Where they are cut does not depend on how many threads there are:
/// OpenBLAS sums in another order at the edges of a product, and a result must not depend on threads.
struct Blocks {
  static constexpr std::int64_t kLines =
      256;  // long enough that packing the other operand for each costs little

  const Cblas& cblas;
  const GemmProblem& problem;
  bool by_rows = problem.m() >= problem.n();
  std::int64_t side = by_rows ? problem.m() : problem.n();
  std::int64_t count = (side + kLines - 1) / kLines;

  void run(std::int64_t i) const {
    const kernels::GemmParams& p = problem.params;
    const std::int64_t first = i * kLines, size = std::min(kLines, side - first);
    const std::int64_t row = by_rows ? first : 0, column = by_rows ? 0 : first;
    const std::int64_t rows = by_rows ? size : p.m, columns = by_rows ? p.n : size;
    const float* a = static_cast<const float*>(p.a) + (problem.transpose_a ? row : row * p.a_stride);
    const float* b = static_cast<const float*>(p.b) + (problem.transpose_b ? column * p.b_stride : column);
    float* c = static_cast<float*>(p.c) + row * p.c_stride + column;
    cblas.sgemm(Cblas::kRowMajor, problem.transpose_a ? Cblas::kTrans : Cblas::kNoTrans,
                problem.transpose_b ? Cblas::kTrans : Cblas::kNoTrans, static_cast<int>(rows),
                static_cast<int>(columns), p.k, p.alpha, a, static_cast<int>(p.a_stride), b,
                static_cast<int>(p.b_stride), p.beta, c, static_cast<int>(p.c_stride));
  }
};

std::string kernel(const GemmProblem&) { return "cblas_sgemm"; }

void run(const GemmProblem& problem, const GemmBuffers&, Workspace&, const Queue& queue) {
  const Blocks blocks{Cblas::get(), problem};
  const OneThreadACall limit(blocks.cblas);
  on_threads(queue, blocks.count, 0, [&](std::int64_t i, std::byte*) { blocks.run(i); });
}

}  // namespace

const GemmWay kGemmCblas = {
    .name = kName,
    .about = kAbout,
    .device = DeviceType::cpu,
    .declines = declines,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = kernel,
    .run = run,
};
#else
const GemmWay kGemmCblas = {.name = kName, .about = kAbout, .missing = "this build of flashtile has no CBLAS"};
#endif

}  // namespace flashtile::inline v0_2::ops
