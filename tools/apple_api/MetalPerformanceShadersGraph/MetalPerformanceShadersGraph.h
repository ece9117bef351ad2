// See MetalPerformanceShaders.h here.
#pragma once

#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

@interface MPSGraphTensor : NSObject <NSCopying>
@end
@interface MPSGraphTensorData : NSObject
- (instancetype)initWithMPSNDArray:(MPSNDArray*)array;
@end
@interface MPSGraphOperation : NSObject
@end
@interface MPSGraphExecutionDescriptor : NSObject
@end

@interface MPSGraph : NSObject
- (MPSGraphTensor*)placeholderWithShape:(NSArray<NSNumber*>*)shape
                               dataType:(MPSDataType)dataType
                                   name:(NSString*)name;
- (MPSGraphTensor*)scaledDotProductAttentionWithQueryTensor:(MPSGraphTensor*)query
                                                  keyTensor:(MPSGraphTensor*)key
                                                valueTensor:(MPSGraphTensor*)value
                                                      scale:(float)scale
                                                       name:(NSString*)name;
- (MPSGraphTensor*)scaledDotProductAttentionWithQueryTensor:(MPSGraphTensor*)query
                                                  keyTensor:(MPSGraphTensor*)key
                                                valueTensor:(MPSGraphTensor*)value
                                                 maskTensor:(MPSGraphTensor*)mask
                                                      scale:(float)scale
                                                       name:(NSString*)name;
- (void)runAsyncWithMTLCommandQueue:(id<MTLCommandQueue>)queue
                              feeds:(NSDictionary<MPSGraphTensor*, MPSGraphTensorData*>*)feeds
                   targetOperations:(NSArray<MPSGraphOperation*>*)targetOperations
                  resultsDictionary:(NSDictionary<MPSGraphTensor*, MPSGraphTensorData*>*)results
                executionDescriptor:(MPSGraphExecutionDescriptor*)descriptor;
@end
