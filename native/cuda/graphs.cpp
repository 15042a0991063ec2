#include "cuda/graphs.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace orthokit::cuda {
namespace {
constexpr size_t kLeastLaunches = 2;  // a graph of one is a launch
constexpr size_t kMostKnown = 32;

bool same(dim3 a, dim3 b) { return a.x == b.x && a.y == b.y && a.z == b.z; }

bool is_on() {
  const char* value = secure_getenv("ORTHOKIT_GRAPHS");
  return !value || std::strcmp(value, "0") != 0;
}

bool are_alike(const Calls& a, const Calls& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x->is_like(*y); });
}
}  // namespace

bool Call::is_like(const Call& other) const {
  return kernel_ == other.kernel_ && same(blocks_, other.blocks_) &&
         same(threads_, other.threads_) && shared_ == other.shared_;
}

cudaKernelNodeParams Call::node(std::vector<void*>& arguments) const {
  return {const_cast<void*>(kernel_), blocks_,          threads_,
          unsigned(shared_),          arguments.data(), nullptr};
}

Graphs::Graphs(cudaStream_t stream) : stream_(stream), on_(is_on()) {}
Graphs::~Graphs() {
  for (auto& known : known_) free(*known);
}

void Graphs::free(Known& known) noexcept {
  if (known.executable) cudaGraphExecDestroy(known.executable);
  if (known.graph) cudaGraphDestroy(known.graph);
  known.executable = nullptr, known.graph = nullptr;
}

void Graphs::run(const std::function<void()>& work) {
  if (!on_) return work();
  collects_ = true;
  try {
    work();
  } catch (...) {
    collects_ = false;
    calls_.clear();
    throw;
  }
  collects_ = false;
  Calls calls;
  calls.swap(calls_);
  queue(calls);
}

void Graphs::launch_each(const Calls& calls) {
  for (auto& call : calls) check(call->launch(stream_), "cudaLaunchKernel");
}

void Graphs::queue(Calls& calls) {
  if (calls.size() < kLeastLaunches) return launch_each(calls);
  Known* known = find(calls);
  if (!known) {
    launch_each(calls);
    remember(calls);
  } else if (const cudaError_t status = queue_graph(*known, calls)) {
    if (is_fault(status)) check(status, "cudaGraphLaunch");
    cudaGetLastError();  // else the next launch would report it
    on_ = false;
    for (auto& each : known_) free(*each);
    known_.clear();
    launch_each(calls);
  }
}

Graphs::Known* Graphs::find(const Calls& calls) {
  const auto at =
      std::ranges::find_if(known_, [&](const auto& k) { return are_alike(k->calls, calls); });
  if (at == known_.end()) return nullptr;
  std::rotate(at, at + 1, known_.end());
  return known_.back().get();
}

void Graphs::remember(Calls& calls) {
  auto known = std::make_unique<Known>();
  known->calls.swap(calls);
  if (known_.size() == kMostKnown) {
    free(*known_.front());
    known_.erase(known_.begin());
  }
  known_.push_back(std::move(known));
}

// One after the other, as the stream would run them.
cudaError_t Graphs::make(Known& known, const Calls& calls) {
  if (const cudaError_t status = cudaGraphCreate(&known.graph, 0)) return status;
  for (auto& call : calls) {
    std::vector<void*> arguments = call->arguments();
    const cudaKernelNodeParams params = call->node(arguments);
    cudaGraphNode_t node = nullptr;
    const cudaGraphNode_t* before = known.nodes.empty() ? nullptr : &known.nodes.back();
    if (const cudaError_t status =
            cudaGraphAddKernelNode(&node, known.graph, before, before ? 1 : 0, &params))
      return status;
    known.nodes.push_back(node);
  }
  return cudaGraphInstantiate(&known.executable, known.graph, 0);
}

// Launches that are queued already keep the parameters that they were launched with.
cudaError_t Graphs::update(const Known& known, const Calls& calls) {
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i]->has_arguments_of(*known.calls[i])) continue;
    std::vector<void*> arguments = calls[i]->arguments();
    const cudaKernelNodeParams params = calls[i]->node(arguments);
    if (const cudaError_t status =
            cudaGraphExecKernelNodeSetParams(known.executable, known.nodes[i], &params))
      return status;
  }
  return cudaSuccess;
}

cudaError_t Graphs::queue_graph(Known& known, Calls& calls) {
  if (const cudaError_t status = known.executable ? update(known, calls) : make(known, calls))
    return status;
  if (const cudaError_t status = cudaGraphLaunch(known.executable, stream_)) return status;
  known.calls.swap(calls);
  return cudaSuccess;
}

}  // namespace orthokit::cuda
