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

std::vector<std::string> places() {
  const std::string chosen = variable("ORTHOKIT_CUBLAS");
  if (!chosen.empty()) return {chosen};
  constexpr const char* names[] = {"libcublas.so.13", "libcublas.so.12"};
  std::vector<std::string> all{names[0], names[1]};
  for (const auto& folder :
       {variable("CUDA_PATH"), variable("CUDA_HOME"), std::string("/usr/local/cuda")})
    for (auto name : names)
      if (!folder.empty()) all.push_back(folder + "/lib64/" + name);
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

const char* words_of(BlasTable::Status status) {
  switch (status) {
    case 1:
      return "not initialized";
    case 3:
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

}  // namespace

void check_blas(BlasTable::Status status, const char* call) {
  if (status == 0) return;
  throw Error(status == 3 ? ErrorCode::kMemory : ErrorCode::kBackend,
              std::string(call) + ": " + words_of(status) + " (cuBLAS status " +
                  std::to_string(status) + ")",
              status);
}

BlasLibrary::BlasLibrary() {
  const std::string chosen = variable("ORTHOKIT_CUBLAS");
  name_ = "built-in kernels";
  if (chosen == "none") return;
  for (const auto& path : places()) {
    open(path);
    if (loaded()) return;
  }
  name_ += chosen.empty() ? " (no cuBLAS was found)" : " (" + chosen + " is no cuBLAS)";
}

// Never closed: its code must outlive every thread that may still run it.
void BlasLibrary::open(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) return;
  BlasTable table{};
  if (!fill(library, table)) return;
  int version[3] = {};  // major, minor, patch
  for (int i = 0; i < 3; ++i)
    if (table.get_property(i, &version[i]) != 0) return;
  table_ = table;
  name_ = "cuBLAS " + std::to_string(version[0]) + "." + std::to_string(version[1]) + "." +
          std::to_string(version[2]);
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
