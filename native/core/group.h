// The processes of a run, and one thread of this one that speaks to the others through an engine.
// Each call is announced to all before data moves: what does not agree, and who does not come, is
// an error with names.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/engine.h"
#include "core/error.h"
#include "core/loan.h"
#include "core/stream.h"

namespace orthokit {

// A call as a rank announces it. All but the weight and the last call must be the same everywhere.
struct Announced {
  uint64_t number = 0, last = 0;  // of the call, and of the last that this rank has done
  double weight = 1;              // of this rank's part in a mean
  char tag[64] = {}, last_tag[64] = {};
  char what[192] = {};   // the call in words
  char digest[64] = {};  // of shapes
};

std::string called(const Announced&);  // in messages: number and tag

struct Traffic {  // bytes of others that reached this rank, headers apart
  std::atomic<int64_t> moves{0}, received{0};
};

class Group {
 public:
  using Work = std::function<void()>;

  explicit Group(const Engine& engine) : engine_(engine) {}
  ~Group() { halt(); }
  Group(const Group&) = delete;

  // Once. What calls are cut into must be the same on all ranks.
  void open(double timeout, int64_t bucket_bytes, Done);
  // On the group's thread, in order. After a failure nothing runs any more, and `done` is told why.
  // The loan, of memory that the work moves, and what the work holds go when nobody uses it.
  void submit(Work, Done, std::shared_ptr<Loan> = nullptr);
  // Any thread: tells the others that this rank ends, and why; waits for their answers, or a while.
  void fail(const std::string& text);
  void halt();  // the thread ends, whatever the others do

  // On the group's thread.
  // Patient: without a limit of time, as long as the others live.
  void agree(const Announced&, double* weights, bool patient);
  // `data` becomes Σ weight·data, or that over Σ weight. Ordered: added rank after rank in f64 and
  // rounded once. Else the engine's sum; halves are summed in f32 and rounded once.
  void sum(void* data, int64_t count, Dtype, const std::vector<double>& weights, bool mean,
           bool ordered);
  // The own part of `data` becomes that of the sum, in order.
  void sum_part(void* data, Dtype, const std::vector<int64_t>& counts,
                const std::vector<double>& weights, bool mean);
  // These move alone, between memories of hosts, or of the world's device when its work on them has
  // ended: the engine's sum, of f32 or f64; `into` has the own part of each rank.
  void add(void* data, int64_t count, Dtype, int32_t device = kHostMemory);
  void exchange(void* data, void* into, Dtype, const std::vector<int64_t>& counts,
                int32_t device = kHostMemory);
  void gather(void* data, Dtype, const std::vector<int64_t>& counts, int32_t device = kHostMemory);
  void broadcast(void* data, int64_t count, Dtype, int root, int32_t device = kHostMemory);
  void close();

  const World& world() const { return world_; }  // once it is open
  const Traffic& traffic() const { return traffic_; }
  struct Failed {
    int rank;  // -1: this one found it
    std::string text;
  };
  std::optional<Failed> failure() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Process {  // of a rank
    int64_t pid = 0, started = 0, bucket_bytes = 0;
    char machine[128] = {};
  };
  struct Job {
    Work work;
    Done done;
    std::shared_ptr<Loan> loan;
  };
  using Blame = std::function<std::string(const std::vector<int>& unfinished)>;

  void loop();
  void meet(int64_t bucket_bytes);
  void compare_buckets();
  void* start(const Exchange&);
  bool is_done(void* request);
  // Until all are done. @throws ERR_BACKEND, by what `blame` says, when time is up
  void wait(std::vector<void*> requests, const Blame& blame, bool patient = false);
  void break_off(const std::string& text);
  void abandon();
  void move(Exchange, const char* name);
  void watch();       // throws what has befallen another rank
  void tell();        // sends what fail() was given
  void keep(Failed);  // the first counts
  std::string name_of(int rank) const;
  bool has_ended(int rank) const;

  const Engine& engine_;
  void* world_handle_ = nullptr;
  World world_ = {0, 1, {}, kHostMemory};
  Caller caller_{};
  Clock::duration timeout_{};
  Traffic traffic_;
  bool has_met_ = false, is_abandoned_ = false;
  bool is_under_way_ = false;  // what was waited for last
  bool has_lost_ = false;      // memory of the work that runs, to the engine
  std::vector<Job> lost_;      // whose memory it was
  // The engine reads and writes these members: after a failure it may be at it still.
  std::vector<Process> processes_;
  Process told_of_;
  std::vector<Announced> coming_;
  Announced going_;
  std::vector<Announced> heard_;  // the last of each rank
  Announced own_;                 // the last that all ranks came to
  std::string awaited_;           // the call whose announcements are on their way
  struct Letter {
    char text[4096];
  };
  std::vector<Letter> letters_;
  Letter letter_;
  std::vector<char> answers_;
  std::vector<void*> letter_requests_;
  std::vector<std::byte> scratch_;
  Clock::time_point looked_{};
  std::optional<Error> broken_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, told_;
  std::deque<Job> jobs_;
  std::optional<Failed> failed_;
  std::optional<std::string> farewell_;
  bool has_told_ = false, is_closed_ = false, is_over_ = false;
  std::atomic<bool> stop_{false}, leaving_{false};
  std::thread thread_;
};

}  // namespace orthokit
