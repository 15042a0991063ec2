// Launches that come again and again as CUDA graphs: those of one kernel function, or of a whole
// step. A graph is made when the same launches come for the second time, and queued as one from
// then on. What changes from step to step (rates, addresses) are parameters of its nodes, which are
// set before it is launched; the graph itself is made once.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/backend.h"
#include "cuda/check.h"

namespace orthokit::cuda {

// A launch or a product that waits to be queued, with its arguments.
class Call {
 public:
  virtual ~Call() = default;
  virtual void launch(cudaStream_t) const = 0;
  bool is_like(const Call& other) const { return what_ == other.what_ && is_alike(other); }
  virtual bool has_arguments_of(const Call&) const = 0;  // of one that it is like
  virtual cudaError_t add(cudaGraph_t, const cudaGraphNode_t* before, cudaGraphNode_t*) = 0;
  virtual cudaError_t update(cudaGraphExec_t, cudaGraphNode_t) = 0;

 protected:
  explicit Call(const void* what) : what_(what) {}
  const void* const what_;  // the kernel, or another address for calls of one type

 private:
  virtual bool is_alike(const Call&) const = 0;  // but for the arguments
};

// That of a kernel.
class KernelCall : public Call {
 public:
  KernelCall(const void* kernel, dim3 blocks, dim3 threads, size_t shared)
      : Call(kernel), blocks_(blocks), threads_(threads), shared_(shared) {}
  cudaError_t add(cudaGraph_t, const cudaGraphNode_t* before, cudaGraphNode_t*) override;
  cudaError_t update(cudaGraphExec_t, cudaGraphNode_t) override;

 protected:
  virtual std::vector<void*> arguments() = 0;
  const dim3 blocks_, threads_;
  const size_t shared_;

 private:
  bool is_alike(const Call&) const override;
  cudaKernelNodeParams node(std::vector<void*>& arguments) const;
};

using Calls = std::vector<std::unique_ptr<Call>>;

class Graphs {
 public:
  explicit Graphs(cudaStream_t stream);
  ~Graphs();
  Graphs(const Graphs&) = delete;

  // The launches of `work` are queued when it is done, or at the end of the step: all of them, or
  // none if it throws.
  void run(const std::function<void()>& work);
  // Launches of all kernel functions between the two are held back.
  void begin_step();
  void end_step();
  // Queues what kernel functions before this one have left. Whoever queues past `add` calls it.
  void flush();
  uint64_t flushes() const { return flushes_; }
  uint64_t functions() const { return functions_; }  // that have begun

  bool collects() const { return collects_; }
  bool in_function() const { return in_function_; }
  void add(std::unique_ptr<Call> call);
  GraphUse use() const;  // any thread

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
  void refuse(cudaError_t status);
  Known* find(const Calls& calls);
  void remember(Calls& calls);
  static cudaError_t make(Known& known, const Calls& calls);
  static cudaError_t update(const Known& known, const Calls& calls);
  cudaError_t queue_graph(Known& known, Calls& calls);
  static void free(Known& known) noexcept;
  void choose() { collects_ = in_function_ || (on_ && in_step_); }

  cudaStream_t stream_;
  bool on_, in_step_ = false, in_function_ = false, collects_ = false;
  Calls calls_;
  size_t earlier_ = 0;  // of calls_, those of functions before the one that runs
  uint64_t flushes_ = 0, functions_ = 0;
  std::vector<std::unique_ptr<Known>> known_;  // least recently used first
  mutable std::mutex mutex_;
  GraphUse use_{};
};

}  // namespace orthokit::cuda
