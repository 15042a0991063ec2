#include "cuda/graphs.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace orthokit::cuda {
namespace {
constexpr size_t kLeastLaunches = 2;  // a graph of one is a launch
constexpr size_t kMostKnown = 32;
constexpr size_t kMostHeld = 4096;  // so that a long step's beginning does not wait for its end

bool same(dim3 a, dim3 b) { return a.x == b.x && a.y == b.y && a.z == b.z; }

bool is_on() {
  const char* value = secure_getenv("ORTHOKIT_GRAPHS");
  return !value || std::strcmp(value, "0") != 0;
}

bool are_alike(const Calls& a, const Calls& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x->is_like(*y); });
}
}  // namespace

bool KernelCall::is_alike(const Call& call) const {
  const auto& other = static_cast<const KernelCall&>(call);
  return same(blocks_, other.blocks_) && same(threads_, other.threads_) && shared_ == other.shared_;
}

cudaKernelNodeParams KernelCall::node(std::vector<void*>& arguments) const {
  return {const_cast<void*>(what_), blocks_,          threads_,
          unsigned(shared_),        arguments.data(), nullptr};
}

cudaError_t KernelCall::add(cudaGraph_t graph, const cudaGraphNode_t* before, cudaGraphNode_t* to) {
  std::vector<void*> values = arguments();
  const cudaKernelNodeParams params = node(values);
  return cudaGraphAddKernelNode(to, graph, before, before ? 1 : 0, &params);
}

cudaError_t KernelCall::update(cudaGraphExec_t executable, cudaGraphNode_t of) {
  std::vector<void*> values = arguments();
  const cudaKernelNodeParams params = node(values);
  return cudaGraphExecKernelNodeSetParams(executable, of, &params);
}

Graphs::Graphs(cudaStream_t stream) : stream_(stream), on_(is_on()) {
  if (!on_) std::snprintf(use_.refused, sizeof use_.refused, "ORTHOKIT_GRAPHS is 0");
}
Graphs::~Graphs() {
  for (auto& known : known_) free(*known);
}

void Graphs::free(Known& known) noexcept {
  if (known.executable) cudaGraphExecDestroy(known.executable);
  if (known.graph) cudaGraphDestroy(known.graph);
  known.executable = nullptr, known.graph = nullptr;
  known.nodes.clear();
}

void Graphs::run(const std::function<void()>& work) {
  if (!on_) return work();
  earlier_ = calls_.size();
  ++functions_;
  in_function_ = true, choose();
  const auto leave = [&] { in_function_ = false, earlier_ = 0, choose(); };
  try {
    work();
  } catch (...) {
    calls_.erase(calls_.begin() + ptrdiff_t(earlier_), calls_.end());
    leave();
    throw;
  }
  leave();
  if (!collects_ || calls_.size() >= kMostHeld) flush();
}

void Graphs::add(std::unique_ptr<Call> call) {
  calls_.push_back(std::move(call));
  if (!in_function_ && calls_.size() >= kMostHeld) flush();
}

void Graphs::begin_step() {
  end_step();
  in_step_ = true, choose();
}

void Graphs::end_step() {
  in_step_ = false, choose();
  flush();
}

void Graphs::flush() {
  ++flushes_;
  const auto end = in_function_ ? calls_.begin() + ptrdiff_t(earlier_) : calls_.end();
  if (end == calls_.begin()) return;
  Calls calls(std::make_move_iterator(calls_.begin()), std::make_move_iterator(end));
  calls_.erase(calls_.begin(), end);
  earlier_ = 0;
  queue(calls);
}

GraphUse Graphs::use() const {
  std::lock_guard lock(mutex_);
  return use_;
}

void Graphs::launch_each(const Calls& calls) {
  for (auto& call : calls) call->launch(stream_);
}

void Graphs::queue(Calls& calls) {
  if (!on_ || calls.size() < kLeastLaunches) return launch_each(calls);
  Known* known = find(calls);
  if (!known) {
    launch_each(calls);
    remember(calls);
  } else if (const cudaError_t status = queue_graph(*known, calls)) {
    if (is_fault(status)) check(status, "cudaGraphLaunch");
    refuse(status);
    launch_each(calls);
  }
}

void Graphs::refuse(cudaError_t status) {
  cudaGetLastError();  // else the next launch would report it
  on_ = false, choose();
  for (auto& each : known_) free(*each);
  known_.clear();
  std::lock_guard lock(mutex_);
  std::snprintf(use_.refused, sizeof use_.refused, "CUDA refused one: %s (%s)",
                cudaGetErrorString(status), cudaGetErrorName(status));
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
    cudaGraphNode_t node = nullptr;
    const cudaGraphNode_t* before = known.nodes.empty() ? nullptr : &known.nodes.back();
    if (const cudaError_t status = call->add(known.graph, before, &node)) return status;
    known.nodes.push_back(node);
  }
  return cudaGraphInstantiate(&known.executable, known.graph, 0);
}

// Launches that are queued already keep the parameters that they were launched with.
cudaError_t Graphs::update(const Known& known, const Calls& calls) {
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i]->has_arguments_of(*known.calls[i])) continue;
    if (const cudaError_t status = calls[i]->update(known.executable, known.nodes[i]))
      return status;
  }
  return cudaSuccess;
}

cudaError_t Graphs::queue_graph(Known& known, Calls& calls) {
  const bool is_new = !known.executable;
  try {
    if (const cudaError_t status = is_new ? make(known, calls) : update(known, calls))
      return status;
  } catch (...) {  // half made, or with arguments of both
    free(known);
    throw;
  }
  if (const cudaError_t status = cudaGraphLaunch(known.executable, stream_)) return status;
  known.calls.swap(calls);
  std::lock_guard lock(mutex_);
  use_.made += is_new;
  ++use_.launched;
  return cudaSuccess;
}

}  // namespace orthokit::cuda
