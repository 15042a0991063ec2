// The launches of one kernel function as a CUDA graph: made when the same launches come for the
// second time, and queued as one from then on. What changes from step to step (rates, addresses)
// are parameters of its nodes, which are set before it is launched; nothing is captured again.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "cuda/check.h"

namespace orthokit::cuda {

// A launch that waits, with its arguments.
class Call {
 public:
  Call(const void* kernel, dim3 blocks, dim3 threads, size_t shared)
      : kernel_(kernel), blocks_(blocks), threads_(threads), shared_(shared) {}
  virtual ~Call() = default;
  virtual cudaError_t launch(cudaStream_t) const = 0;
  virtual std::vector<void*> arguments() = 0;
  virtual bool has_arguments_of(const Call&) const = 0;

  bool is_like(const Call& other) const;  // but for the arguments
  cudaKernelNodeParams node(std::vector<void*>& arguments) const;

 protected:
  const void* kernel_;
  dim3 blocks_, threads_;
  size_t shared_;
};

using Calls = std::vector<std::unique_ptr<Call>>;

class Graphs {
 public:
  explicit Graphs(cudaStream_t stream);
  ~Graphs();
  Graphs(const Graphs&) = delete;

  // The launches of `work` are queued when it is done: all of them, or none if it throws.
  void run(const std::function<void()>& work);
  bool collects() const { return collects_; }
  void add(std::unique_ptr<Call> call) { calls_.push_back(std::move(call)); }

 private:
  struct Known {
    Calls calls;  // as the graph has them
    std::vector<cudaGraphNode_t> nodes;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
  };
  void launch_each(const Calls& calls);
  // If CUDA refuses a graph, the launches are queued one by one, on this stream for good.
  void queue(Calls& calls);
  Known* find(const Calls& calls);
  void remember(Calls& calls);
  static cudaError_t make(Known& known, const Calls& calls);
  static cudaError_t update(const Known& known, const Calls& calls);
  cudaError_t queue_graph(Known& known, Calls& calls);
  static void free(Known& known) noexcept;

  cudaStream_t stream_;
  bool on_;
  bool collects_ = false;
  Calls calls_;
  std::vector<std::unique_ptr<Known>> known_;  // least recently used first
};

}  // namespace orthokit::cuda
