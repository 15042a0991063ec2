// Sweeps over a matrix that read it once: a row is reduced as a whole and then adds to the columns,
// while it is in registers. Panels of neighbouring rows have a partial result for each column;
// `join_bands` joins them. The shape alone decides how many there are, and so the order of sums.
#pragma once
#include "cuda/columns.cuh"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kOwnColumns = 12;  // of a thread, in registers: more would spill
inline constexpr int kPanelThreads = 128, kWidePanelThreads = 512;
inline constexpr int64_t kPanelRow = kOwnColumns * kPanelThreads,
                         kWidePanelRow =
                             kOwnColumns * kWidePanelThreads;  // a longer one: in memory

struct Panels {
  static constexpr int64_t kLeastRows = 4;
  Panels(int64_t rows_, int64_t columns_) : rows(rows_), columns(columns_) {
    // More panels would make the partial results a large share of the traffic.
    const int64_t most = columns <= kPanelRow ? 512 : columns <= kWidePanelRow ? 256 : 128;
    each = (rows + most - 1) / most;
    if (each < kLeastRows) each = kLeastRows;
    count = (rows + each - 1) / each;
  }
  int64_t rows, columns;
  int64_t each, count = 0;  // rows of a panel; panels
};

// Rows of a matrix in memory. Whoever computes elements instead has the same functions: row(i)[j].
template <class T>
struct MatrixRows {
  const T* data;
  int64_t columns;
  __device__ __forceinline__ const T* row(int64_t i) const { return data + i * columns; }
};

// A column, as the thread sees it that owns it.
struct OwnColumn {
  int64_t index;
  double value;   // of the row: what a later visit wants of it is kept
  double& kept;   // until the row's next visit
  double& total;  // of the rows of the panel
};

// The threads that share a row of at most threads · own elements. All of them call each function.
template <int threads, int own, class Rows>
class RegisterTeam {
 public:
  __device__ RegisterTeam(const Rows& rows, int64_t columns, double start)
      : rows_(rows), columns_(int(columns)), rank_(int(threadIdx.x) % threads) {
#pragma unroll
    for (double& total : totals_) total = start;
  }
  __device__ bool is_first() const { return rank_ == 0; }
  template <class R>
  __device__ __forceinline__ double reduce(double x) const {
    if constexpr (threads == kWarp)
      return warp_reduce<R>(x);
    else
      return block_reduce<R>(x);
  }
  __device__ void take(int64_t i) { i_ = i; }
  // f(own column, x[its index], …) for each column.
  template <class F, class... X>
  __device__ __forceinline__ void visit(F&& f, const X*... x) {
    const auto row = rows_.row(i_);
    each([&](int k, int j) { f(OwnColumn{j, double(row[j]), kept_[k], totals_[k]}, x[j]...); });
  }
  __device__ __forceinline__ void store_totals(double* to) const {
    each([&](int k, int j) { to[j] = totals_[k]; });
  }

 private:
  // Neighbouring threads have neighbouring columns.
  template <class F>
  __device__ __forceinline__ void each(F&& f) const {
#pragma unroll
    for (int k = 0; k < own; ++k)
      if (const int j = k * threads + rank_; j < columns_) f(k, j);
  }
  const Rows& rows_;
  const int columns_, rank_;
  int64_t i_ = 0;
  double kept_[own] = {}, totals_[own];
};

// The same for rows of any length: what a thread keeps of its columns is in memory.
template <class Rows>
class MemoryTeam {
 public:
  __device__ MemoryTeam(const Rows& rows, int64_t columns, double start, double* kept,
                        double* totals)
      : rows_(rows), columns_(columns), kept_(kept), totals_(totals) {
    for (int64_t j = threadIdx.x; j < columns; j += kWidePanelThreads) totals_[j] = start;
  }
  __device__ bool is_first() const { return threadIdx.x == 0; }
  template <class R>
  __device__ __forceinline__ double reduce(double x) const {
    return block_reduce<R>(x);
  }
  __device__ void take(int64_t i) { i_ = i; }
  template <class F, class... X>
  __device__ __forceinline__ void visit(F&& f, const X*... x) {
    const auto row = rows_.row(i_);
#pragma unroll 2  // more would spill
    for (int64_t j = threadIdx.x; j < columns_; j += kWidePanelThreads)
      f(OwnColumn{j, double(row[j]), kept_[j], totals_[j]}, x[j]...);
  }

 private:
  const Rows& rows_;
  const int64_t columns_;
  double *kept_, *totals_;
  int64_t i_ = 0;
};

// A body that has begin() and end() has them called by all threads of a panel, before its rows and
// after; one that has is_over() and says yes is not called.
template <class Body>
__device__ bool is_over(const Body& body) {
  if constexpr (requires { body.is_over(); }) return body.is_over();
  return false;
}
template <class Body>
__device__ void begin_panel(const Body& body) {
  if constexpr (requires { body.begin(); }) body.begin();
}
template <class Body>
__device__ void end_panel(const Body& body) {
  if constexpr (requires { body.end(); }) body.end();
}

// Columns of a thread in registers: those that a body says are few enough in a wide row, for a
// block that has a multiprocessor's registers to itself, or kOwnColumns.
template <int threads, class Body>
constexpr int own_columns() {
  if constexpr (threads == kWidePanelThreads && requires { Body::kOwnColumnsOfWide; })
    return Body::kOwnColumnsOfWide;
  return kOwnColumns;
}

// A block a panel. The second bound leaves 128 registers; without one ptxas spills to hold more.
template <int threads, class R, class Rows, class Body>
__global__ void __launch_bounds__(threads, kWidePanelThreads / threads)
    panel_kernel(int64_t count, int64_t columns, int64_t each, Rows rows, Body body,
                 double* partial) {
  if (is_over(body)) return;
  begin_panel(body);
  const int64_t first = blockIdx.x * each, last = first + each < count ? first + each : count;
  RegisterTeam<threads, own_columns<threads, Body>(), Rows> team(rows, columns,
                                                                 R::template neutral<double>());
  for (int64_t i = first; i < last; ++i) {
    team.take(i);
    body(team, i);
  }
  team.store_totals(partial + blockIdx.x * columns);
  end_panel(body);
}

template <class R, class Rows, class Body>
__global__ void __launch_bounds__(kWidePanelThreads, 2)
    long_panel_kernel(int64_t count, int64_t columns, int64_t each, Rows rows, Body body,
                      double* kept, double* partial) {
  if (is_over(body)) return;
  begin_panel(body);
  const int64_t first = blockIdx.x * each, last = first + each < count ? first + each : count;
  MemoryTeam<Rows> team(rows, columns, R::template neutral<double>(), kept + blockIdx.x * columns,
                        partial + blockIdx.x * columns);
  for (int64_t i = first; i < last; ++i) {
    team.take(i);
    body(team, i);
  }
  end_panel(body);
}

// The sweeps of one matrix; their memory is that of one sweep, however many there are.
class PanelSweep {
 public:
  PanelSweep(Stream& stream, const Panels& panels)
      : stream_(stream),
        panels_(panels),
        partial_(stream.scratch<double>(panels.count * panels.columns)) {}

  int64_t count() const { return panels_.count; }
  int64_t rows_of_panel() const { return panels_.each; }
  const double* partial() const { return partial_; }  // [panel · columns + column]

  // body(team, i) for every row i, those of a panel one after another. A body is a struct of plain
  // data with a __device__ operator() that is a template of the team. One launch.
  template <class R, class Rows, class Body>
  void run(const Rows& rows, const Body& body) {
    constexpr int64_t kWidestRow = own_columns<kWidePanelThreads, Body>() * kWidePanelThreads;
    if (panels_.count == 0) return;
    if (panels_.columns <= kPanelRow)
      run_in_registers<kPanelThreads, R>(rows, body);
    else if (panels_.columns <= kWidestRow)
      run_in_registers<kWidePanelThreads, R>(rows, body);
    else
      run_in_memory<R>(rows, body);
  }
  // finish(j, total of column j). One launch.
  template <class R, class Finish>
  void join(const Finish& finish) const {
    join_bands<R>(stream_, panels_.count, panels_.columns, partial_, finish);
  }

 private:
  template <int threads, class R, class Rows, class Body>
  void run_in_registers(const Rows& rows, const Body& body) const {
    launch(stream_, panel_kernel<threads, R, Rows, Body>, {dim3(unsigned(panels_.count)), threads},
           panels_.rows, panels_.columns, panels_.each, rows, body, partial_);
  }
  template <class R, class Rows, class Body>
  void run_in_memory(const Rows& rows, const Body& body) {
    if (!kept_) kept_ = stream_.scratch<double>(panels_.count * panels_.columns);
    launch(stream_, long_panel_kernel<R, Rows, Body>,
           {dim3(unsigned(panels_.count)), kWidePanelThreads}, panels_.rows, panels_.columns,
           panels_.each, rows, body, kept_, partial_);
  }
  Stream& stream_;
  const Panels panels_;
  double *partial_, *kept_ = nullptr;
};

}  // namespace orthokit::cuda
