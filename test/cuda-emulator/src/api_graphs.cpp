// Graphs: captured, or built kernel by kernel; made executable, changed, launched.
#include <algorithm>
#include <map>
#include <set>

#include "api.h"
#include "launches.h"

struct cudaemu::GraphExec {
  std::vector<Operation> operations;
  const Graph* graph;  // where it comes from
};

// Kernels, products, copies: what a graph within a graph may be of.
static bool is_work(const cudaemu::Operation& operation) {
  return operation.kind == cudaemu::OperationKind::kWork;
}

using namespace cudaemu;

namespace {

using Make = Launch (*)(const void* kernel, void** arguments);
std::map<const void*, Make>& described() {
  static auto& kernels = *new std::map<const void*, Make>;
  return kernels;
}

struct Alive {
  std::set<const Graph*> graphs;
  std::set<const GraphExec*> executables;
};
Alive& alive() {
  static Alive& all = *new Alive;
  return all;
}

bool is_node_of(const Graph* graph, const GraphNode* node) {
  if (!alive().graphs.contains(graph)) return false;
  for (auto& each : graph->nodes)
    if (each.get() == node) return true;
  return false;
}

// Nodes run in the order in which they were added: only a chain says that they must.
bool continues_chain(const Graph* graph, const cudaGraphNode_t* before, size_t count) {
  if (graph->nodes.empty()) return count == 0 && graph->operations.empty();
  return count == 1 && before[0] == graph->nodes.back().get();
}

cudaGraphNode_t add_node(Graph* graph, std::vector<Operation> operations, bool is_child) {
  graph->nodes.push_back(std::make_unique<GraphNode>(
      GraphNode{graph, graph->operations.size(), operations.size(), is_child}));
  for (Operation& operation : operations) graph->operations.push_back(std::move(operation));
  return graph->nodes.back().get();
}

bool is_own_node(const GraphExec* executable, const GraphNode* node, bool is_child) {
  return alive().executables.contains(executable) && is_node_of(executable->graph, node) &&
         node->is_child == is_child;
}

cudaError_t operation_of(const cudaKernelNodeParams& params, Operation& operation) {
  if (params.extra || !params.kernelParams) return cudaErrorInvalidValue;
  const auto kernel = described().find(params.func);
  if (kernel == described().end()) return cudaErrorInvalidDeviceFunction;
  cudaLaunchConfig_t config{params.gridDim, params.blockDim, params.sharedMemBytes,
                            nullptr,        nullptr,         0};
  return operation_of(config, kernel->second(params.func, params.kernelParams), operation);
}

}  // namespace

void cudaemu::note_graph(const Graph* graph) { alive().graphs.insert(graph); }
int cudaemu::live_graphs() { return int(alive().graphs.size() + alive().executables.size()); }

void cudaemu_describe(const void* kernel, Make make) {
  const Lock lock;
  described()[kernel] = make;
}

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned flags) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphCreate");
  if (flags != 0) return answer(cudaErrorInvalidValue);
  *graph = new Graph;
  note_graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* before, size_t count,
                                   const cudaKernelNodeParams* params) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphAddKernelNode");
  if (!alive().graphs.contains(graph)) return answer(cudaErrorInvalidValue);
  if (!continues_chain(graph, before, count)) return answer(cudaErrorNotSupported);
  Operation operation;
  if (const cudaError_t wrong = operation_of(*params, operation)) return answer(wrong);
  *node = add_node(graph, {std::move(operation)}, false);
  return cudaSuccess;
}

// A copy of the child: what becomes of it later does not matter.
cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                       const cudaGraphNode_t* before, size_t count,
                                       cudaGraph_t child) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphAddChildGraphNode");
  if (!alive().graphs.contains(graph) || !alive().graphs.contains(child) || graph == child)
    return answer(cudaErrorInvalidValue);
  if (!continues_chain(graph, before, count) || !std::ranges::all_of(child->operations, is_work))
    return answer(cudaErrorNotSupported);
  *node = add_node(graph, child->operations, true);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphInstantiate");
  if (!alive().graphs.contains(graph)) return answer(cudaErrorInvalidValue);
  *executable = new GraphExec{graph->operations, graph};
  alive().executables.insert(*executable);
  return cudaSuccess;
}

// Launches that are queued keep what they were launched with.
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* params) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphExecKernelNodeSetParams");
  if (!is_own_node(executable, node, false)) return answer(cudaErrorInvalidValue);
  Operation operation;
  if (const cudaError_t wrong = operation_of(*params, operation)) return answer(wrong);
  executable->operations[node->index] = std::move(operation);
  return cudaSuccess;
}

// Of a child of the same form alone.
cudaError_t cudaGraphExecChildGraphNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
                                                 cudaGraph_t child) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphExecChildGraphNodeSetParams");
  if (!is_own_node(executable, node, true) || !alive().graphs.contains(child))
    return answer(cudaErrorInvalidValue);
  if (child->operations.size() != node->count || !std::ranges::all_of(child->operations, is_work))
    return answer(cudaErrorGraphExecUpdateFailure);
  std::ranges::copy(child->operations, executable->operations.begin() + ptrdiff_t(node->index));
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaGraphLaunch");
  if (!alive().executables.contains(executable)) return answer(cudaErrorInvalidValue);
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  for (const Operation& operation : executable->operations) push(stream, operation);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Lock lock;
  const cudaError_t entered = enter("cudaGraphDestroy");
  if (alive().graphs.erase(graph) == 0) return leave(entered, cudaErrorInvalidValue);
  delete graph;
  return leave(entered, cudaSuccess);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const Lock lock;
  const cudaError_t entered = enter("cudaGraphExecDestroy");
  if (alive().executables.erase(executable) == 0) return leave(entered, cudaErrorInvalidValue);
  delete executable;
  return leave(entered, cudaSuccess);
}
