#include "core/group.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/small_file.h"

namespace orthokit {
namespace {

enum Tag : int32_t { kMeeting = 1, kHeader, kLetter, kAnswer };

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// When the kernel started a process, in its own ticks; -1: there is none, or it is dead.
int64_t start_of(int64_t pid) {
  const std::string text = text_of_file("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return -1;
  const char* rest = text.c_str() + name_end + 1;  // from field 3, the state, each after a space
  if (rest[0] == ' ' && (rest[1] == 'Z' || rest[1] == 'X')) return -1;
  for (int field = 3; rest && field < 22; ++field)
    rest = *rest ? std::strchr(rest + 1, ' ') : nullptr;
  return rest ? std::strtoll(rest, nullptr, 10) : -1;
}

// The machine and the namespace that process ids belong to.
std::string machine() {
  char host[64] = {}, space[64] = {};
  gethostname(host, sizeof host - 1);
  if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0) space[0] = 0;
  return std::string(host) + " " + space;
}

template <size_t n>
void put(char (&to)[n], const std::string& text) {
  std::snprintf(to, n, "%s", text.c_str());
}

std::string done_last(const Announced& a) {
  return a.last == 0 ? "none" : "call " + std::to_string(a.last) + " '" + a.last_tag + "'";
}

}  // namespace

std::string called(const Announced& a) {
  return "call " + std::to_string(a.number) + " '" + a.tag + "'";
}

void Group::open(double timeout, int64_t bucket_bytes, Done done) {
  timeout_ = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout));
  jobs_.push_back({[this, bucket_bytes] { meet(bucket_bytes); }, std::move(done), nullptr});
  thread_ = std::thread([this] { loop(); });
}

void Group::submit(Work work, Done done, std::shared_ptr<Loan> loan) {
  std::lock_guard lock(mutex_);
  if (stop_ || is_closed_) throw Error(ErrorCode::kDisposed, "the group is closed");
  jobs_.push_back({std::move(work), std::move(done), std::move(loan)});
  wake_.notify_all();
}

void Group::loop() {
  while (!stop_) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, milliseconds(20), [&] { return stop_ || !jobs_.empty() || farewell_; });
      if (stop_) break;
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
    }
    std::optional<Error> error;
    try {
      if (broken_ && !leaving_) throw *broken_;
      if (job.work)
        job.work();
      else
        watch();
    } catch (const Error& e) {
      error = e;
    } catch (const std::bad_alloc&) {
      error = Error(ErrorCode::kMemory, "out of memory");
    } catch (const std::exception& e) {
      error = Error(ErrorCode::kBackend, e.what());
    }
    if (job.done) job.done(error);
    if (leaving_) tell();
    if (stop_) abandon();
    // The work goes here, with all that it holds, when the engine has let go of that.
    if (std::exchange(has_lost_, false) && job.loan) {
      job.loan->lose();
      lost_.push_back(std::move(job));
    }
  }
  abandon();
  std::lock_guard lock(mutex_);
  for (Job& job : jobs_) job.work = nullptr, job.loan = nullptr;
  is_over_ = true;
  wake_.notify_all();
}

void Group::meet(int64_t bucket_bytes) {
  caller_ = {this, [](void* self) { return int32_t(static_cast<Group*>(self)->stop_.load()); },
             std::chrono::duration<double>(timeout_).count()};
  call(engine_.open, &world_handle_, &world_, &caller_);
  const int n = world_.size;
  processes_.resize(size_t(n));
  heard_.resize(size_t(n));
  letters_.resize(size_t(n));
  letter_requests_.resize(size_t(n));
  Process& own = processes_[size_t(world_.rank)];
  own.pid = getpid(), own.started = start_of(own.pid), own.bucket_bytes = bucket_bytes;
  put(own.machine, machine());
  told_of_ = own;
  std::vector<void*> requests;
  const auto each = [&](auto&& body) {
    for (int r = 0; r < n; ++r)
      if (r != world_.rank) body(r);
  };
  // Every pair is connected here, so that no later wait depends on a side that has yet to connect.
  each([&](int r) {
    requests.push_back(start({Motion::kReceive, Dtype::kU8, &processes_[size_t(r)],
                              int64_t(sizeof(Process)), nullptr, nullptr, r, kMeeting}));
  });
  each([&](int r) {
    requests.push_back(start({Motion::kSend, Dtype::kU8, &told_of_, int64_t(sizeof told_of_),
                              nullptr, nullptr, r, kMeeting}));
  });
  std::vector<int> others;
  each([&](int r) { others.push_back(r); });
  wait(std::move(requests), [&](const std::vector<int>& unfinished) {
    std::string missing, silent;
    for (int i : unfinished) {
      const int rank = others[size_t(i) % others.size()];
      if (size_t(i) < others.size())
        missing += " " + std::to_string(rank);
      else
        silent += " " + name_of(rank);
    }
    if (!missing.empty()) return "ranks that did not come to meet the others:" + missing;
    return "ranks that came to meet the others, but do not answer:" + silent;
  });
  compare_buckets();
  has_met_ = true;
  each([&](int r) {
    letter_requests_[size_t(r)] = start({Motion::kReceive, Dtype::kU8, letters_[size_t(r)].text,
                                         int64_t(sizeof(Letter)), nullptr, nullptr, r, kLetter});
  });
}

// All ranks compare all with the same one, so that all come to one answer.
void Group::compare_buckets() {
  std::string differs;
  const int64_t first = processes_[0].bucket_bytes;
  for (int r = 1; r < world_.size; ++r)
    if (const int64_t other = processes_[size_t(r)].bucket_bytes; other != first)
      differs += ", of rank " + std::to_string(r) + " " + std::to_string(other);
  if (differs.empty()) return;
  broken_ =
      Error(ErrorCode::kArgument, "bucketBytes must be the same on all ranks, got of rank 0 " +
                                      std::to_string(first) + differs);
  throw *broken_;
}

void* Group::start(const Exchange& exchange) {
  void* request = nullptr;
  try {
    call(engine_.start, world_handle_, &exchange, &request);
  } catch (const Error& e) {
    break_off(e.what());  // what was begun before it is on its way
  }
  return request;
}

bool Group::is_done(void* request) {
  int32_t done = 0;
  call(engine_.test, world_handle_, request, &done);
  return done != 0;
}

void Group::break_off(const std::string& text) {
  broken_ = Error(ErrorCode::kBackend, text);
  keep({-1, text});
  abandon();
  throw *broken_;
}

// Buffers of calls that are under way may go from here on.
void Group::abandon() {
  if (!world_handle_ || is_closed_ || !engine_.abandon || is_abandoned_) return;
  is_abandoned_ = true;
  has_lost_ = engine_.abandon(world_handle_) != 0;
}

void Group::wait(std::vector<void*> requests, const Blame& blame, bool patient) {
  const auto until = Clock::now() + timeout_;
  size_t left = requests.size();
  is_under_way_ = true;
  for (int turn = 0; left > 0; ++turn) {
    try {
      for (void*& request : requests)
        if (request && is_done(request)) request = nullptr, --left;
    } catch (const Error& e) {
      watch();              // who it was, if that can be told
      break_off(e.what());  // the others may be in the midst of it
    }
    if (left == 0) {
      is_under_way_ = false;
      return;
    }
    watch();
    if (!patient && Clock::now() >= until) {
      std::vector<int> unfinished;
      for (size_t i = 0; i < requests.size(); ++i)
        if (requests[i]) unfinished.push_back(int(i));
      char limit[64];
      std::snprintf(limit, sizeof limit,
                    "no answer within %g s: ", std::chrono::duration<double>(timeout_).count());
      break_off(limit + blame(unfinished));
    }
    // Other processes may need this core.
    if (turn < 100)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(microseconds(std::min(turn, 500)));
  }
}

std::string Group::name_of(int rank) const {
  return "rank " + std::to_string(rank) + " (process " +
         std::to_string(processes_[size_t(rank)].pid) + ")";
}

bool Group::has_ended(int rank) const {
  const Process &own = processes_[size_t(world_.rank)], &other = processes_[size_t(rank)];
  return other.pid != 0 && own.started >= 0 && std::strcmp(own.machine, other.machine) == 0 &&
         start_of(other.pid) != other.started;
}

void Group::watch() {
  if (stop_) throw Error(ErrorCode::kDisposed, "the group is closed");
  if (leaving_) throw Error(ErrorCode::kBackend, "this rank ends");
  if (broken_ || !has_met_ || letter_requests_.empty()) return;
  const auto look = [&] {
    for (int r = 0; r < world_.size; ++r) {
      void*& request = letter_requests_[size_t(r)];
      bool has_come = false;
      try {
        has_come = request && is_done(request);
      } catch (const Error& e) {
        request = nullptr;
        break_off(name_of(r) + " cannot be reached: " + e.what());
      }
      if (!has_come) continue;
      request = nullptr;
      char answer = 1;
      void* sent = start({Motion::kSend, Dtype::kU8, &answer, 1, nullptr, nullptr, r, kAnswer});
      const auto until = Clock::now() + seconds(1);
      while (!is_done(sent) && Clock::now() < until) std::this_thread::sleep_for(microseconds(100));
      letters_[size_t(r)].text[sizeof(Letter) - 1] = 0;
      broken_ = Error(ErrorCode::kBackend, name_of(r) + " failed");
      keep({r, letters_[size_t(r)].text});
      abandon();
      throw *broken_;
    }
  };
  look();
  if (Clock::now() - looked_ < milliseconds(100)) return;
  looked_ = Clock::now();
  for (int r = 0; r < world_.size; ++r) {
    if (r == world_.rank || !has_ended(r)) continue;
    look();  // what it may have said last
    const std::string text = name_of(r) +
                             " has ended; the last that it did: " + done_last(heard_[size_t(r)]) +
                             "; the last that rank " + std::to_string(world_.rank) +
                             " did: " + (own_.number == 0 ? "none" : called(own_)) +
                             (awaited_.empty() ? "" : ", and it waits at " + awaited_);
    break_off(text);
  }
}

void Group::keep(Failed failed) {
  std::lock_guard lock(mutex_);
  if (!failed_) failed_ = std::move(failed);
}

std::optional<Group::Failed> Group::failure() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

void Group::fail(const std::string& text) {
  std::unique_lock lock(mutex_);
  if (is_closed_ || is_over_ || !thread_.joinable() || farewell_) return;
  farewell_ = text;
  leaving_ = true;
  wake_.notify_all();
  told_.wait_for(lock, seconds(2), [&] { return has_told_ || is_over_; });
}

void Group::tell() {
  std::string text;
  {
    std::lock_guard lock(mutex_);
    if (has_told_ || !farewell_) return;
    text = *farewell_;
  }
  if (has_met_ && !failure()) {
    put(letter_.text, text);
    answers_.resize(size_t(world_.size));
    std::vector<void*> requests;
    try {
      for (int r = 0; r < world_.size; ++r) {
        if (r == world_.rank || has_ended(r)) continue;
        requests.push_back(start(
            {Motion::kReceive, Dtype::kU8, &answers_[size_t(r)], 1, nullptr, nullptr, r, kAnswer}));
        requests.push_back(start({Motion::kSend, Dtype::kU8, letter_.text, int64_t(sizeof letter_),
                                  nullptr, nullptr, r, kLetter}));
      }
      const auto until = Clock::now() + milliseconds(1500);
      for (size_t left = requests.size(); left > 0 && Clock::now() < until;) {
        for (void*& request : requests)
          if (request && is_done(request)) request = nullptr, --left;
        std::this_thread::sleep_for(microseconds(200));
      }
      // The others say why before a launcher that sees this process end takes them down.
      std::this_thread::sleep_for(milliseconds(200));
    } catch (const Error&) {  // they will miss this rank
    }
  }
  if (is_under_way_) abandon();  // the call that was broken off for this
  std::lock_guard lock(mutex_);
  has_told_ = true;
  broken_ = Error(ErrorCode::kBackend, "this rank has failed");
  leaving_ = false;
  told_.notify_all();
}

void Group::halt() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    stop_ = true;
    wake_.notify_all();
    wake_.wait_for(lock, seconds(2), [&] { return is_over_; });
    if (!is_over_) {  // inside the engine, which does not come back
      thread_.detach();
      return;
    }
  }
  thread_.join();
}

void Group::agree(const Announced& call, double* weights, bool patient) {
  const int n = world_.size;
  Announced& own = going_;
  own = call;
  own.last = own_.number;
  put(own.last_tag, own_.tag);
  awaited_ = called(own);
  std::vector<Announced>& all = coming_;
  all.assign(size_t(n), {});
  std::vector<void*> requests;
  std::vector<int> from;
  for (int r = 0; r < n; ++r) {
    if (r == world_.rank) continue;
    from.push_back(r);
    requests.push_back(start({Motion::kReceive, Dtype::kU8, &all[size_t(r)],
                              int64_t(sizeof(Announced)), nullptr, nullptr, r, kHeader}));
  }
  for (int r : from)
    requests.push_back(start(
        {Motion::kSend, Dtype::kU8, &own, int64_t(sizeof own), nullptr, nullptr, r, kHeader}));
  const auto blame = [&](const std::vector<int>& unfinished) {
    std::string missing, silent;
    for (int i : unfinished) {
      const int rank = from[size_t(i) % from.size()];
      const std::string named =
          " " + name_of(rank) + ", whose last was " + done_last(heard_[size_t(rank)]) + ";";
      if (size_t(i) < from.size())
        missing += named;
      else
        silent += named;
    }
    return "to " + called(own) + ", " + own.what +
           (missing.empty() ? ", came, but do not answer" + silent : ", did not come" + missing) +
           " the last of rank " + std::to_string(world_.rank) + ", which waits, was " +
           done_last(own);
  };
  wait(std::move(requests), blame, patient);
  awaited_.clear();
  all[size_t(world_.rank)] = own;
  // Every rank compares all with the same one, so that all come to one answer.
  const Announced& first = all[0];
  std::string differs;
  for (int r = 1; r < n; ++r) {
    const Announced& other = all[size_t(r)];
    const bool same = other.number == first.number && std::strcmp(other.tag, first.tag) == 0 &&
                      std::strcmp(other.what, first.what) == 0 &&
                      std::strcmp(other.digest, first.digest) == 0;
    if (!same)
      differs += std::string(differs.empty() ? "" : "; ") + "rank " + std::to_string(r) +
                 " came with " + called(other) + ", " + other.what +
                 (std::strcmp(other.tag, first.tag) == 0 && std::strcmp(other.what, first.what) == 0
                      ? " of other shapes"
                      : "");
  }
  if (!differs.empty())
    throw Error(ErrorCode::kArgument, "the ranks do not agree: rank 0 came with " + called(first) +
                                          ", " + first.what + "; " + differs);
  for (int r = 0; r < n; ++r) weights[r] = all[size_t(r)].weight;
  for (Announced& a : all) {
    a.last = a.number;
    std::memcpy(a.last_tag, a.tag, sizeof a.tag);
  }
  heard_ = all;
  own_ = own;
}

void Group::close() {
  for (void*& request : letter_requests_) {
    if (request) engine_.cancel(world_handle_, request);
    request = nullptr;
  }
  letter_requests_.clear();
  call(engine_.close, world_handle_);
  std::lock_guard lock(mutex_);
  is_closed_ = true;
}

}  // namespace orthokit
