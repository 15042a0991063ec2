#include "cuda/blas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

namespace orthokit::cuda {
namespace {

std::string variable(const char* name) {
  const char* value = secure_getenv(name);
  return value ? value : "";
}

// Major versions of CUDA, this plug-in's first: its driver is there for sure.
std::vector<int> majors() {
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  std::vector<int> all{runtime / 1000};
  for (const int major : {13, 12})
    if (major != all[0]) all.push_back(major);
  return all;
}

std::vector<std::string> places() {
  std::vector<std::string> folders{""}, all;  // the loader's first
  for (const auto& folder :
       {variable("CUDA_PATH"), variable("CUDA_HOME"), std::string("/usr/local/cuda")})
    if (!folder.empty()) folders.push_back(folder + "/lib64/");
  for (const auto& folder : folders)
    for (const int major : majors())
      all.push_back(folder + "libcublas.so." + std::to_string(major));
  return all;
}

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool fill(void* library, BlasTable& table) {
  return find(library, "cublasCreate_v2", table.create) &&
         find(library, "cublasDestroy_v2", table.destroy) &&
         find(library, "cublasSetStream_v2", table.set_stream) &&
         find(library, "cublasSetWorkspace_v2", table.set_workspace) &&
         find(library, "cublasGetProperty", table.get_property) &&
         find(library, "cublasGemmEx", table.gemm) &&
         find(library, "cublasGemmStridedBatchedEx", table.gemm_batched);
}

constexpr BlasTable::Status kNoMemory = 3;

const char* words_of(BlasTable::Status status) {
  switch (status) {
    case 1:
      return "not initialized";
    case kNoMemory:
      return "no memory";
    case 7:
      return "invalid value";
    case 8:
      return "the device lacks a feature";
    case 11:
      return "access to device memory failed";
    case 13:
      return "the execution failed";
    case 15:
      return "not supported";
    default:
      return "internal error";
  }
}

constexpr const char* kNotFound = " is no cuBLAS";

}  // namespace

void check_blas(BlasTable::Status status, const char* call) {
  if (status == 0) return;
  const cudaError_t fault = cudaStreamQuery(nullptr);
  if (is_fault(fault)) check(fault, call);
  cudaGetLastError();  // of the question
  throw Error(status == kNoMemory ? ErrorCode::kMemory : ErrorCode::kBackend,
              std::string(call) + ": " + words_of(status) + " (cuBLAS status " +
                  std::to_string(status) + ")",
              status);
}

BlasLibrary::BlasLibrary() {
  const std::string chosen = variable("ORTHOKIT_CUBLAS");
  if (chosen == "none") {
    name_ = "built-in kernels";
    return;
  }
  std::string why = "no cuBLAS was found";
  for (const auto& path : chosen.empty() ? places() : std::vector{chosen}) {
    const std::string refused = open(path);
    if (loaded()) return;
    if (refused != kNotFound || !chosen.empty()) why = path + refused;
  }
  name_ = "built-in kernels (" + why + ")";
}

// Never closed: its code must outlive every thread that may still run it.
std::string BlasLibrary::open(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) return kNotFound;
  BlasTable table{};
  if (!fill(library, table)) return kNotFound;
  int version[3] = {};  // major, minor, patch
  for (int i = 0; i < 3; ++i)
    if (table.get_property(i, &version[i]) != 0) return kNotFound;
  BlasTable::Handle handle = nullptr;
  const BlasTable::Status status = table.create(&handle);
  if (status == 0) table.destroy(handle);
  // A handle without memory now may have some later, and says so then.
  if (status != 0 && status != kNoMemory)
    return std::string(" does not start: ") + words_of(status);
  table_ = table;
  name_ = "cuBLAS " + std::to_string(version[0]) + "." + std::to_string(version[1]) + "." +
          std::to_string(version[2]);
  return "";
}

const BlasLibrary& blas_library() {
  static const auto& library = *new BlasLibrary;
  return library;
}

Blas::Blas(const BlasLibrary& library, cudaStream_t stream, void* workspace, size_t bytes)
    : table_(library.table()) {
  check_blas(table_.create(&handle_), "cublasCreate");
  try {
    check_blas(table_.set_stream(handle_, stream), "cublasSetStream");
    check_blas(table_.set_workspace(handle_, workspace, bytes), "cublasSetWorkspace");
  } catch (...) {
    table_.destroy(handle_);
    throw;
  }
}

Blas::~Blas() { table_.destroy(handle_); }

}  // namespace orthokit::cuda
