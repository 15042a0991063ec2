// The functions of the CUDA runtime that host code may call, with CUDA's numbers.
#pragma once
#include "language.h"

#define CUDART_VERSION 13000
#define ORTHOKIT_EMULATOR_API extern "C" __attribute__((visibility("default")))

enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorCudartUnloading = 4,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidMemcpyDirection = 21,
  cudaErrorInsufficientDriver = 35,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorDeviceUninitialized = 201,
  cudaErrorMapBufferObjectFailed = 205,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchTimeout = 702,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
  cudaErrorCooperativeLaunchTooLarge = 720,
  cudaErrorNotPermitted = 800,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureUnmatched = 903,
  cudaErrorStreamCaptureImplicit = 906,
  cudaErrorCapturedEvent = 907,
  cudaErrorStreamCaptureWrongThread = 908,
  cudaErrorGraphExecUpdateFailure = 910,
  cudaErrorUnknown = 999
};
typedef cudaError cudaError_t;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated
};
enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMemoryPoolsSupported = 115
};
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum cudaMemPoolAttr {
  cudaMemPoolAttrReleaseThreshold = 4,
  cudaMemPoolAttrReservedMemCurrent = 5,
  cudaMemPoolAttrReservedMemHigh = 6,
  cudaMemPoolAttrUsedMemCurrent = 7,
  cudaMemPoolAttrUsedMemHigh = 8
};
enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3
};
enum cudaDriverEntryPointQueryResult {
  cudaDriverEntryPointSuccess = 0,
  cudaDriverEntryPointSymbolNotFound = 1,
  cudaDriverEntryPointVersionNotSufficent = 2
};
enum cudaLaunchAttributeID { cudaLaunchAttributeIgnore = 0, cudaLaunchAttributeCooperative = 2 };
enum {
  cudaStreamDefault = 0,
  cudaStreamNonBlocking = 1,
  cudaEventDefault = 0,
  cudaEventBlockingSync = 1,
  cudaEventDisableTiming = 2,
  cudaHostAllocDefault = 0,
  cudaIpcMemLazyEnablePeerAccess = 1,
  cudaEnableDefault = 0,
  CUDA_IPC_HANDLE_SIZE = 64
};

namespace cudaemu {
struct Stream;
struct Event;
struct Graph;
struct GraphExec;
struct GraphNode;
struct Pool;
}  // namespace cudaemu
typedef cudaemu::Stream* cudaStream_t;
typedef cudaemu::Event* cudaEvent_t;
typedef cudaemu::Graph* cudaGraph_t;
typedef cudaemu::GraphExec* cudaGraphExec_t;
typedef cudaemu::GraphNode* cudaGraphNode_t;
typedef cudaemu::Pool* cudaMemPool_t;
typedef void (*cudaHostFn_t)(void*);

struct CUuuid_st {
  char bytes[16];
};
typedef CUuuid_st cudaUUID_t;
struct cudaDeviceProp {
  char name[256];
  cudaUUID_t uuid;
  size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin, sharedMemPerMultiprocessor;
  int major, minor, multiProcessorCount, warpSize, maxThreadsPerBlock, maxThreadsPerMultiProcessor,
      regsPerMultiprocessor, l2CacheSize, cooperativeLaunch, concurrentKernels;
};
struct cudaLaunchAttributeValue {
  int cooperative;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

struct cudaIpcMemHandle_st {
  char reserved[CUDA_IPC_HANDLE_SIZE];
};
typedef cudaIpcMemHandle_st cudaIpcMemHandle_t;
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void *devicePointer, *hostPointer;
  long reserved[8];
};

struct cudaKernelNodeParams {
  void* func;
  dim3 gridDim, blockDim;
  unsigned sharedMemBytes;
  void** kernelParams;
  void** extra;
};

ORTHOKIT_EMULATOR_API cudaError_t cudaGetDeviceCount(int*);
ORTHOKIT_EMULATOR_API cudaError_t cudaSetDevice(int);
ORTHOKIT_EMULATOR_API cudaError_t cudaGetDevice(int*);
ORTHOKIT_EMULATOR_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp*, int);
ORTHOKIT_EMULATOR_API cudaError_t cudaDeviceGetAttribute(int*, cudaDeviceAttr, int);
ORTHOKIT_EMULATOR_API cudaError_t cudaDriverGetVersion(int*);
ORTHOKIT_EMULATOR_API cudaError_t cudaRuntimeGetVersion(int*);
ORTHOKIT_EMULATOR_API cudaError_t cudaDeviceSynchronize();
ORTHOKIT_EMULATOR_API cudaError_t cudaDeviceReset();

ORTHOKIT_EMULATOR_API cudaError_t cudaMemGetInfo(size_t*, size_t*);
ORTHOKIT_EMULATOR_API cudaError_t cudaMalloc(void**, size_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaFree(void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaMallocAsync(void**, size_t, cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaFreeAsync(void*, cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t*, int);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaHostAlloc(void**, size_t, unsigned);
ORTHOKIT_EMULATOR_API cudaError_t cudaFreeHost(void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemcpy(void*, const void*, size_t, cudaMemcpyKind);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind,
                                                  cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemcpy2DAsync(void*, size_t, const void*, size_t, size_t,
                                                    size_t, cudaMemcpyKind, cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemset(void*, int, size_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t);

ORTHOKIT_EMULATOR_API cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t*, void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaIpcOpenMemHandle(void**, cudaIpcMemHandle_t, unsigned);
ORTHOKIT_EMULATOR_API cudaError_t cudaIpcCloseMemHandle(void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes*, const void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaGetDriverEntryPointByVersion(
    const char*, void**, unsigned, unsigned long long, cudaDriverEntryPointQueryResult* = nullptr);

ORTHOKIT_EMULATOR_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned);
ORTHOKIT_EMULATOR_API cudaError_t cudaStreamDestroy(cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaStreamSynchronize(cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaStreamQuery(cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned);
ORTHOKIT_EMULATOR_API cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t, void*);
ORTHOKIT_EMULATOR_API cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned);
ORTHOKIT_EMULATOR_API cudaError_t cudaEventDestroy(cudaEvent_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaEventSynchronize(cudaEvent_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaEventQuery(cudaEvent_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaEventElapsedTime(float*, cudaEvent_t, cudaEvent_t);

ORTHOKIT_EMULATOR_API cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode);
ORTHOKIT_EMULATOR_API cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*);
ORTHOKIT_EMULATOR_API cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus*);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphCreate(cudaGraph_t*, unsigned);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t*, cudaGraph_t,
                                                         const cudaGraphNode_t*, size_t,
                                                         const cudaKernelNodeParams*);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t, cudaGraphNode_t,
                                                                   const cudaKernelNodeParams*);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t*, cudaGraph_t,
                                                             const cudaGraphNode_t*, size_t,
                                                             cudaGraph_t child);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphExecChildGraphNodeSetParams(cudaGraphExec_t,
                                                                       cudaGraphNode_t,
                                                                       cudaGraph_t child);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t,
                                                       unsigned long long);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphDestroy(cudaGraph_t);
ORTHOKIT_EMULATOR_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t);

ORTHOKIT_EMULATOR_API cudaError_t cudaGetLastError();
ORTHOKIT_EMULATOR_API cudaError_t cudaPeekAtLastError();
ORTHOKIT_EMULATOR_API const char* cudaGetErrorString(cudaError_t);
ORTHOKIT_EMULATOR_API const char* cudaGetErrorName(cudaError_t);

template <class T>
inline cudaError_t cudaMalloc(T** p, size_t n) {
  return cudaMalloc(reinterpret_cast<void**>(p), n);
}
template <class T>
inline cudaError_t cudaMallocAsync(T** p, size_t n, cudaStream_t stream) {
  return cudaMallocAsync(reinterpret_cast<void**>(p), n, stream);
}
template <class T>
inline cudaError_t cudaHostAlloc(T** p, size_t n, unsigned flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(p), n, flags);
}
template <class T>
inline cudaError_t cudaMallocHost(T** p, size_t n) {
  return cudaHostAlloc(reinterpret_cast<void**>(p), n, cudaHostAllocDefault);
}
