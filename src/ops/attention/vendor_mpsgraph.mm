// The way `vendor.mpsgraph`: Apple's fused attention, a node of MPSGraph, without a mask or with a bias as its additive mask.
#import <MetalPerformanceShadersGraph/MetalPerformanceShadersGraph.h>

#include <string>

#include "src/backends/metal/gpu.h"
#include "src/backends/metal/memory.h"
#include "src/backends/metal/queue.h"
#include "src/ops/attention/ways.h"

namespace flashtile::inline v0_2::ops {
namespace {

/// macOS 15 documents the node; 14 has it, but not the arrays that start inside a buffer.
bool is_there() {
  static const bool there =
      metal::macos_is_at_least(15) &&
      [MPSGraph instancesRespondToSelector:@selector(scaledDotProductAttentionWithQueryTensor:keyTensor:
                                                     valueTensor:maskTensor:scale:name:)];
  return there;
}

bool is_packed(const TensorLayout& tensor) {
  std::int64_t expected = 1;
  for (int i = tensor.shape.rank() - 1; i >= 0; expected *= tensor.shape[i--])
    if (tensor.shape[i] > 1 && tensor.strides[i] != expected) return false;
  return true;
}

/// The bias without the dimensions that it repeats along.
TensorLayout unrepeated(TensorLayout bias) {
  for (int i = 0; i < bias.shape.rank(); ++i)
    if (bias.strides[i] == 0) bias.shape[i] = 1;
  return bias;
}

std::string_view declines(const AttentionProblem& problem) {
  if (!is_there()) return "MPSGraph has attention from macOS 15 on";
  if (problem.dtype != DType::f32 && problem.dtype != DType::f16) return "MPSGraph is given f32 and f16 only";
  if (problem.query_heads != problem.kv_heads) return "MPSGraph takes as many heads of keys as of queries";
  if (problem.empty() || problem.kv_length == 0) return "MPSGraph takes no empty tensors";
  for (const TensorLayout* tensor : {&problem.q, &problem.k, &problem.v, &problem.out})
    if (!is_packed(*tensor)) return "MPSGraph takes packed tensors only";
  if (problem.bias && (problem.bias->dtype != problem.dtype || !is_packed(unrepeated(*problem.bias))))
    return "MPSGraph takes a packed bias of the type of q only";
  return {};
}

std::string kernel(const AttentionProblem&) { return "MPSGraph scaledDotProductAttention"; }

NSArray<NSNumber*>* shape_of(const TensorLayout& tensor) {
  NSMutableArray<NSNumber*>* const shape = [NSMutableArray array];
  for (int i = 0; i < tensor.shape.rank(); ++i) [shape addObject:@(tensor.shape[i])];
  return shape;
}

MPSDataType type_of(DType dtype) { return dtype == DType::f32 ? MPSDataTypeFloat32 : MPSDataTypeFloat16; }

MPSGraphTensorData* data_of(const TensorLayout& tensor, const void* data) {
  const metal::Place place = metal::find(data);
  MPSNDArrayDescriptor* const descriptor = [MPSNDArrayDescriptor descriptorWithDataType:type_of(tensor.dtype)
                                                                                  shape:shape_of(tensor)];
  MPSNDArray* const array = [[MPSNDArray alloc] initWithBuffer:(__bridge id<MTLBuffer>)place.buffer.get()
                                                        offset:place.offset
                                                    descriptor:descriptor];
  return [[MPSGraphTensorData alloc] initWithMPSNDArray:array];
}

void run(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace&, const Queue& queue) {
  @autoreleasepool {
    MPSGraph* const graph = [MPSGraph new];
    NSMutableDictionary<MPSGraphTensor*, MPSGraphTensorData*>* const feeds = [NSMutableDictionary dictionary];
    const auto input = [&](const TensorLayout& tensor, const void* data) {
      MPSGraphTensor* const placeholder = [graph placeholderWithShape:shape_of(tensor)
                                                             dataType:type_of(tensor.dtype)
                                                                 name:nil];
      feeds[placeholder] = data_of(tensor, data);
      return placeholder;
    };
    MPSGraphTensor* const q = input(problem.q, arguments.q);
    MPSGraphTensor* const k = input(problem.k, arguments.k);
    MPSGraphTensor* const v = input(problem.v, arguments.v);
    MPSGraphTensor* const mask = problem.bias ? input(unrepeated(*problem.bias), arguments.bias) : nil;
    MPSGraphTensor* out;
    if (mask == nil) {
      out = [graph scaledDotProductAttentionWithQueryTensor:q
                                                  keyTensor:k
                                                valueTensor:v
                                                      scale:problem.scale
                                                       name:nil];
    } else {
      out = [graph scaledDotProductAttentionWithQueryTensor:q
                                                  keyTensor:k
                                                valueTensor:v
                                                 maskTensor:mask
                                                      scale:problem.scale
                                                       name:nil];
    }
    // It puts command buffers of its own on the queue; one more behind them tells ours when they are done.
    [graph runAsyncWithMTLCommandQueue:(__bridge id<MTLCommandQueue>)queue.native_stream()
                                 feeds:feeds
                      targetOperations:nil
                     resultsDictionary:@{out : data_of(problem.out, arguments.out)}
                   executionDescriptor:nil];
    metal::state_of(queue).submit([](MTL::CommandBuffer*) {});
  }
}

}  // namespace

const AttentionWay kAttentionMpsGraph = {
    .name = "vendor.mpsgraph",
    .about = "Apple's fused attention, MPSGraph; f32, f16",
    .device = DeviceType::metal,
    .knows = [](DeviceType) { return Features{Feature::bias}; },
    .declines = declines,
    .workspace_bytes = no_workspace<AttentionProblem>,
    .kernel = kernel,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
