#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "communicator.h"

namespace ncclemu {
namespace {

constexpr int kPause = 2;  // milliseconds between two questions whether it was aborted

struct Address {
  sockaddr_un at{};
  socklen_t bytes;
  Address(const std::string& name, int rank) {
    const std::string text = name + "-" + std::to_string(rank);
    at.sun_family = AF_UNIX;  // a name that begins with 0 is no file
    std::memcpy(at.sun_path + 1, text.data(), text.size());
    bytes = socklen_t(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&at); }
};

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    if (fd < 0) throw Refused(ncclSystemError, std::strerror(errno));
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

int make_socket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

bool comes(int fd, short what, const Links::Asked& aborted) {
  pollfd one{fd, what, 0};
  if (aborted()) throw Aborted();
  return poll(&one, 1, kPause) > 0;
}

// Few bytes, of a side that sends them at once.
void take(int fd, Hello& hello, const Links::Asked& aborted) {
  for (size_t come = 0; come < sizeof hello;) {
    if (!comes(fd, POLLIN, aborted)) continue;
    const ssize_t n =
        recv(fd, reinterpret_cast<char*>(&hello) + come, sizeof hello - come, MSG_DONTWAIT);
    if (n == 0) throw Refused(ncclRemoteError, "a rank has ended while all connect");
    if (n > 0) come += size_t(n);
  }
}

void check(const Hello& own, const Hello& other, const std::vector<int>& sockets) {
  const auto rank = [](const Hello& h) { return "rank " + std::to_string(h.rank); };
  if (other.ranks != own.ranks || other.rank < 0 || other.rank >= own.ranks ||
      other.rank == own.rank || sockets[size_t(other.rank)] >= 0)
    throw Refused(ncclInvalidUsage, rank(other) + " of " + std::to_string(other.ranks) +
                                        " has come to " + rank(own) + " of " +
                                        std::to_string(own.ranks));
  if (other.device == own.device && std::strcmp(own.machine, other.machine) == 0)
    throw Refused(ncclInvalidUsage, "Duplicate GPU detected : " + rank(own) + " and " +
                                        rank(other) + " both on CUDA device " +
                                        std::to_string(own.device));
}

}  // namespace

Links::~Links() {
  for (int fd : sockets_)
    if (fd >= 0) close(fd);
}

// All hellos are exchanged before any is judged: each rank finds what is wrong by itself.
void Links::connect(const std::string& name, const Hello& own, const Asked& aborted) {
  sockets_.assign(size_t(own.ranks), -1);
  const Address here(name, own.rank);
  const Socket listening(make_socket());
  if (bind(listening.get(), here.get(), here.bytes) != 0 || listen(listening.get(), 64) != 0)
    throw Refused(ncclSystemError, std::string("the id is in use: ") + std::strerror(errno));
  std::vector<Hello> others;
  for (int r = 0; r < own.rank; ++r) {
    const Address there(name, r);
    for (;;) {
      Socket fd(make_socket());
      if (::connect(fd.get(), there.get(), there.bytes) != 0) {
        comes(listening.get(), 0, aborted);
        continue;
      }
      if (send(fd.get(), &own, sizeof own, MSG_NOSIGNAL) != ssize_t(sizeof own))
        throw Refused(ncclSystemError, std::strerror(errno));
      Hello hello{};
      take(fd.get(), hello, aborted);
      others.push_back(hello);
      sockets_[size_t(r)] = fd.release();
      break;
    }
  }
  std::vector<int> come(size_t(own.ranks), -1);
  for (int i = own.rank + 1; i < own.ranks; ++i) {
    while (!comes(listening.get(), POLLIN, aborted)) {
    }
    Socket fd(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    Hello hello{};
    take(fd.get(), hello, aborted);
    if (send(fd.get(), &own, sizeof own, MSG_NOSIGNAL) != ssize_t(sizeof own))
      throw Refused(ncclSystemError, std::strerror(errno));
    check(own, {hello.ranks, hello.rank, -1, ""}, sockets_);
    others.push_back(hello);
    sockets_[size_t(hello.rank)] = fd.release();
  }
  for (const Hello& other : others) check(own, other, come);
}

void Links::move(std::vector<Way>& ways, const std::function<void(int)>& more,
                 const Asked& aborted) {
  for (size_t r = 0; r < ways.size(); ++r)
    if (sockets_[r] >= 0) more(int(r));
  for (;;) {
    std::vector<pollfd> asked;
    std::vector<size_t> ranks;
    for (size_t r = 0; r < ways.size(); ++r) {
      const Way& way = ways[r];
      if (sockets_[r] < 0 || way.done()) continue;
      const int events =
          (way.sent < way.out.size() ? POLLOUT : 0) | (way.come < way.wanted ? POLLIN : 0);
      asked.push_back({sockets_[r], short(events), 0});
      ranks.push_back(r);
    }
    if (asked.empty()) return;
    if (aborted()) throw Aborted();
    if (poll(asked.data(), asked.size(), kPause) <= 0) continue;
    for (size_t i = 0; i < asked.size(); ++i) {
      Way& way = ways[ranks[i]];
      bool has_ended = false;
      if (way.sent < way.out.size()) {
        const ssize_t n = send(asked[i].fd, way.out.data() + way.sent, way.out.size() - way.sent,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) way.sent += size_t(n);
        has_ended = n < 0 && errno != EAGAIN;
      }
      if (way.come < way.wanted) {
        const ssize_t n = recv(asked[i].fd, way.in + way.come, way.wanted - way.come, MSG_DONTWAIT);
        if (n > 0) way.come += size_t(n);
        if (n > 0 && way.come == way.wanted) more(int(ranks[i]));
        has_ended = has_ended || n == 0 || (n < 0 && errno != EAGAIN);
      }
      if (!has_ended) continue;
      // NCCL sees it over a network; in memory that cards share nobody tells, and the others wait.
      if (is_set("lost-is-told"))
        throw Refused(ncclRemoteError, "rank " + std::to_string(ranks[i]) + " has ended");
      usleep(1000 * kPause);
    }
  }
}

}  // namespace ncclemu
