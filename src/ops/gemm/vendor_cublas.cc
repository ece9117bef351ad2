// The way `vendor.cublas`: NVIDIA's BLAS, one cublasGemmEx. Its workspace is the call's own, so that results do
// not depend on what other streams do.
#include <string>

#include "src/ops/gemm/ways.h"

#if FLASHTILE_HAS_CUDA && __has_include(<cublas_v2.h>)
#define FLASHTILE_HAS_CUBLAS 1
#include <cublas_v2.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "flashtile/detail/cuda_calls.h"
#include "src/backends/backend.h"
#include "src/backends/vendor_library.h"
#include "src/core/arguments.h"
#else
#define FLASHTILE_HAS_CUBLAS 0
#endif

namespace flashtile::inline v0_2::ops {

constexpr std::string_view kName = "vendor.cublas", kAbout = "NVIDIA's BLAS; f32, f16, bf16, i8";

#if FLASHTILE_HAS_CUBLAS
namespace {

#define FLASHTILE_TEXT_OF(x) #x
#define FLASHTILE_TEXT(x) FLASHTILE_TEXT_OF(x)

/// cuBLAS, opened on first use.
struct Cublas {
  backend::VendorLibrary library =
      backend::VendorLibrary::of_nvidia("libcublas.so." FLASHTILE_TEXT(CUBLAS_VER_MAJOR));
  decltype(cublasCreate_v2)* create = nullptr;
  decltype(cublasSetStream_v2)* set_stream = nullptr;
  decltype(cublasSetWorkspace_v2)* set_workspace = nullptr;
  decltype(cublasGetProperty)* property = nullptr;
  decltype(cublasSetMathMode)* set_math_mode = nullptr;
  decltype(cublasGetStatusString)* status_string = nullptr;
  cublasStatus_t (*gemm)(cublasHandle_t, cublasOperation_t, cublasOperation_t, std::int64_t, std::int64_t,
                         std::int64_t, const void*, const void*, cudaDataType, std::int64_t, const void*,
                         cudaDataType, std::int64_t, const void*, void*, cudaDataType, std::int64_t,
                         cublasComputeType_t, cublasGemmAlgo_t) = nullptr;

  Cublas() {
    library.find("cublasCreate_v2", create);
    library.find("cublasSetStream_v2", set_stream);
    library.find("cublasSetWorkspace_v2", set_workspace);
    library.find("cublasGetProperty", property);
    library.find("cublasSetMathMode", set_math_mode);
    library.find("cublasGetStatusString", status_string);
    library.find("cublasGemmEx_64", gemm);
  }
  static Cublas& get() {
    static Cublas& cublas = *new Cublas;  // never destroyed: calls may come while the process exits
    return cublas;
  }
  void check(cublasStatus_t status, const char* call) const {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorCode::out_of_memory : ErrorCode::device_failure,
                std::string("gemm: ") + call + ": " + status_string(status));
  }
};

/// A handle of one device for the duration of a call; handles are used again, never by two calls at once.
class Handle {
 public:
  explicit Handle(int device) : device_(device) {
    {
      const std::lock_guard lock(mutex());
      auto& idle = idle_handles()[device];
      if (!idle.empty()) {
        handle_ = idle.back();
        idle.pop_back();
        return;
      }
    }
    const Cublas& cublas = Cublas::get();
    cublas.check(cublas.create(&handle_), "cublasCreate");
    // Partial sums stay in float32 also where the result is float16.
    cublas.check(cublas.set_math_mode(handle_, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
                 "cublasSetMathMode");
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    const std::lock_guard lock(mutex());
    idle_handles()[device_].push_back(handle_);
  }
  operator cublasHandle_t() const { return handle_; }

 private:
  static std::mutex& mutex() {
    static std::mutex& m = *new std::mutex;
    return m;
  }
  static std::map<int, std::vector<cublasHandle_t>>& idle_handles() {
    static auto& handles = *new std::map<int, std::vector<cublasHandle_t>>;
    return handles;
  }
  int device_;
  cublasHandle_t handle_ = nullptr;
};

cudaDataType_t cuda_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return CUDA_R_32F;
    case DType::f16: return CUDA_R_16F;
    case DType::bf16: return CUDA_R_16BF;
    case DType::i8: return CUDA_R_8I;
    default: return CUDA_R_32I;
  }
}

std::string_view declines(const GemmProblem& problem) {
  const kernels::GemmParams& p = problem.params;
  const bool integers = problem.a_dtype == DType::i8;
  if (problem.a_dtype != problem.b_dtype) return "cuBLAS multiplies operands of one type";
  if (integers) {
    if (problem.c_dtype != DType::i32) return "cuBLAS sums i8 in i32";
    if (p.a_stride % 4 != 0 || p.b_stride % 4 != 0 || reinterpret_cast<std::uintptr_t>(p.a) % 4 != 0 ||
        reinterpret_cast<std::uintptr_t>(p.b) % 4 != 0) {
      return "cuBLAS needs i8 lines aligned to 4 bytes";
    }
  } else if (!core::is_float(problem.a_dtype)) {
    return "cuBLAS multiplies f32, f16, bf16 and i8";
  } else if (problem.c_dtype != problem.a_dtype && problem.c_dtype != DType::f32) {
    return "cuBLAS writes the type of its operands or f32";
  }
  if (!problem.lines_ascend()) return "cuBLAS needs lines that do not overlap, in ascending order";
  if (p.k == 0) return "cuBLAS takes no empty products";
  return Cublas::get().library.missing();
}

std::string kernel(const GemmProblem&) {
  const auto part = [](libraryPropertyType which) {
    int value = 0;
    Cublas::get().property(which, &value);
    return std::to_string(value);
  };
  return "cuBLAS " + part(MAJOR_VERSION) + "." + part(MINOR_VERSION) + "." + part(PATCH_LEVEL) +
         ", cublasGemmEx";
}

/// Row-major C = A B is column-major C' = B' A'.
void run(const GemmProblem& problem, const GemmBuffers&, Workspace&, const Queue& queue) {
  const kernels::GemmParams& p = problem.params;
  constexpr std::size_t kWorkspace = std::size_t{32} << 20;  // what cuBLAS's manual gives for Hopper
  const Cublas& cublas = Cublas::get();
  const std::shared_ptr<void> workspace = backend::of(DeviceType::cuda).allocate_for(queue, kWorkspace);
  const detail::CudaDeviceGuard guard(problem.device.index);
  const Handle handle(problem.device.index);
  cublas.check(cublas.set_stream(handle, static_cast<cudaStream_t>(queue.native_stream())), "cublasSetStream");
  cublas.check(cublas.set_workspace(handle, workspace.get(), kWorkspace), "cublasSetWorkspace");
  const bool integers = problem.a_dtype == DType::i8;
  const int alpha = 1, beta = p.beta != 0.0f ? 1 : 0;  // of an integer product
  cublas.check(
      cublas.gemm(handle, problem.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                  problem.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, p.n, p.m, p.k,
                  integers ? static_cast<const void*>(&alpha) : &p.alpha, p.b, cuda_type(problem.b_dtype),
                  p.b_stride, p.a, cuda_type(problem.a_dtype), p.a_stride,
                  integers ? static_cast<const void*>(&beta) : &p.beta, p.c, cuda_type(problem.c_dtype),
                  p.c_stride, integers ? CUBLAS_COMPUTE_32I : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "cublasGemmEx");
}

}  // namespace

const GemmWay kGemmCublas = {
    .name = kName,
    .about = kAbout,
    .device = DeviceType::cuda,
    .declines = declines,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = kernel,
    .run = run,
};
#else
const GemmWay kGemmCublas = {
    .name = kName, .about = kAbout, .missing = "this build of flashtile has no cuBLAS"};
#endif

}  // namespace flashtile::inline v0_2::ops
