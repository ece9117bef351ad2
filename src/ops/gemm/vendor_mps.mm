// The way `vendor.mps`: Apple's matrix product, MPSMatrixMultiplication. `unfused` attention multiplies by it.
#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

#include <string>

#include "src/backends/metal/memory.h"
#include "src/backends/metal/queue.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2::ops {
namespace {

std::string_view declines(const GemmProblem& problem) {
  const kernels::GemmParams& p = problem.params;
  const bool known = (problem.a_dtype == DType::f32 || problem.a_dtype == DType::f16) &&
                     (problem.c_dtype == problem.a_dtype || problem.c_dtype == DType::f32);
  if (!known || problem.a_dtype != problem.b_dtype) return "MPS multiplies f32 and f16, each with its own type";
  if (!problem.lines_ascend()) return "MPS needs lines that do not overlap, in ascending order";
  if (p.k == 0) return "MPS takes no empty products";
  return {};
}

std::string kernel(const GemmProblem&) { return "MPSMatrixMultiplication"; }

/// A matrix of `rows` lines, `stride` elements apart.
MPSMatrix* matrix(const void* data, DType dtype, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  const metal::Place place = metal::find(data);
  MPSMatrixDescriptor* const shape = [MPSMatrixDescriptor
      matrixDescriptorWithRows:static_cast<NSUInteger>(rows)
                       columns:static_cast<NSUInteger>(columns)
                      rowBytes:static_cast<NSUInteger>(stride * bits(dtype) / 8)
                      dataType:dtype == DType::f32 ? MPSDataTypeFloat32 : MPSDataTypeFloat16];
  return [[MPSMatrix alloc] initWithBuffer:(__bridge id<MTLBuffer>)place.buffer.get()
                                    offset:place.offset
                                descriptor:shape];
}

void run(const GemmProblem& problem, const GemmBuffers&, Workspace&, const Queue& queue) {
  const kernels::GemmParams& p = problem.params;
  metal::state_of(queue).submit([&](MTL::CommandBuffer* buffer) {
    const id<MTLCommandBuffer> commands = (__bridge id<MTLCommandBuffer>)buffer;
    MPSMatrixMultiplication* const product =
        [[MPSMatrixMultiplication alloc] initWithDevice:commands.device
                                          transposeLeft:problem.transpose_a
                                         transposeRight:problem.transpose_b
                                             resultRows:static_cast<NSUInteger>(p.m)
                                          resultColumns:static_cast<NSUInteger>(p.n)
                                        interiorColumns:static_cast<NSUInteger>(p.k)
                                                  alpha:static_cast<double>(p.alpha)
                                                   beta:static_cast<double>(p.beta)];
    const bool ta = problem.transpose_a, tb = problem.transpose_b;
    [product encodeToCommandBuffer:commands
                        leftMatrix:matrix(p.a, problem.a_dtype, ta ? p.k : p.m, ta ? p.m : p.k, p.a_stride)
                       rightMatrix:matrix(p.b, problem.b_dtype, tb ? p.n : p.k, tb ? p.k : p.n, p.b_stride)
                      resultMatrix:matrix(p.c, problem.c_dtype, p.m, p.n, p.c_stride)];
  });
}

}  // namespace

const GemmWay kGemmMps = {
    .name = "vendor.mps",
    .about = "Apple's MPSMatrixMultiplication; f32, f16",
    .device = DeviceType::metal,
    .declines = declines,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = kernel,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
