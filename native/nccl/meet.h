// Ranks meet: each calls those below it at the addresses that they have left, and answers those
// above it. All of it goes on at once, so that nobody is busy for others.
#pragma once
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "core/error.h"
#include "nccl/file.h"
#include "nccl/rendezvous.h"

namespace orthokit {

class Meet {
 public:
  using Clock = std::chrono::steady_clock;

  Meet(const Rendezvous& rendezvous, int rank, int size, const std::string& host)
      : rendezvous_(rendezvous),
        rank_(rank),
        peers_(size_t(size)),
        calls_(size_t(rank)),
        listening_(listen_at(host)) {}
  Meet(const Meet&) = delete;

  // Rank 0 brings the meeting, for the others it is null. Returns when every pair is connected.
  // @throws ERR_BACKEND with those that have not come by then, or where the caller gives up
  void run(const Meeting* meeting, const Caller& caller, Clock::time_point until) {
    if (meeting) meeting_ = *meeting, has_meeting_ = true;
    for (;;) {
      look();
      for (int r = 0; r < rank_; ++r)
        if (has_meeting_ && !peers_[size_t(r)]) go_on(r);
      accept();
      if (has_meeting_ && missing().empty()) return;
      if (caller.gives_up(caller.self)) throw Error(ErrorCode::kBackend, "given up");
      if (Clock::now() >= until) throw late(caller.seconds);
      wait();
    }
  }

  const Meeting& meeting() const { return meeting_; }
  std::unique_ptr<File> take(int rank) { return std::move(peers_[size_t(rank)]); }
  static std::string no_answer(double seconds) {  // in front of what did not happen
    char text[64];
    std::snprintf(text, sizeof text, "no answer within %g s: ", seconds);
    return text;
  }

 private:
  static constexpr int kPause = 20;                           // milliseconds
  static constexpr size_t kMostStrangers = 64;                // who have yet to say who they are
  static constexpr auto kPatience = std::chrono::seconds(5);  // with one of them

  struct Hello {
    unsigned char secret[32];
    int32_t rank;
  };
  struct Call {  // to a rank below
    std::unique_ptr<File> socket;
    Rendezvous::Address address{};
    bool is_said = false;
    Hello answer{};
    size_t come = 0;
  };
  struct Stranger {
    std::unique_ptr<File> socket;
    Clock::time_point since;
    Hello hello{};
    size_t come = 0;
  };
  struct Found {
    addrinfo* first = nullptr;
    ~Found() {
      if (first) freeaddrinfo(first);
    }
  };

  // In a time that does not tell how much of it is right.
  static bool is_same(const unsigned char* a, const unsigned char* b, size_t bytes) {
    unsigned char differs = 0;
    for (size_t i = 0; i < bytes; ++i)
      differs = static_cast<unsigned char>(differs | (a[i] ^ b[i]));
    return differs == 0;
  }
  static int find(const char* host, const char* port, int flags, Found& found) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    return getaddrinfo(host, port, &hints, &found.first);
  }
  static std::unique_ptr<File> socket_for(const addrinfo& place) {
    return std::make_unique<File>(
        ::socket(place.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  // More of a hello. True: the connection has ended before all of it came.
  static bool has_ended(const File& socket, Hello& hello, size_t& come) {
    const ssize_t n =
        ::recv(socket.get(), reinterpret_cast<char*>(&hello) + come, sizeof hello - come, 0);
    if (n > 0) come += size_t(n);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
  }
  static bool send(const File& socket, const Hello& hello) {
    return ::send(socket.get(), &hello, sizeof hello, MSG_NOSIGNAL) == ssize_t(sizeof hello);
  }

  std::unique_ptr<File> listen_at(const std::string& host) const {
    const auto refuse = [&](const std::string& why) {
      throw Error(
          ErrorCode::kBackend,
          "ORTHOKIT_NCCL_HOST must be an address of this machine, got " + host + ": " + why);
    };
    Found found;
    if (const int result = find(host.c_str(), nullptr, AI_PASSIVE, found))
      refuse(gai_strerror(result));
    auto socket = socket_for(*found.first);
    sockaddr_storage at{};
    socklen_t bytes = sizeof at;
    if (!*socket || ::bind(socket->get(), found.first->ai_addr, found.first->ai_addrlen) != 0 ||
        ::listen(socket->get(), SOMAXCONN) != 0 ||
        ::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&at), &bytes) != 0)
      refuse(std::strerror(errno));
    const auto port = at.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(at).sin6_port
                                               : reinterpret_cast<sockaddr_in&>(at).sin_port;
    Rendezvous::Address address{};
    std::snprintf(address.host, sizeof address.host, "%s", host.c_str());
    std::snprintf(address.port, sizeof address.port, "%d", int(ntohs(port)));
    rendezvous_.put(rank_, address);
    return socket;
  }

  // The folder may have files of a run before, until rank 0 and the others have written theirs.
  void look() {
    if (Clock::now() < looked_ + std::chrono::milliseconds(kPause)) return;
    looked_ = Clock::now();
    if (rank_ == 0) return;
    Meeting meeting{};
    if (rendezvous_.get(meeting) &&
        (!has_meeting_ || std::memcmp(&meeting, &meeting_, sizeof meeting) != 0)) {
      meeting_ = meeting, has_meeting_ = true;
      for (auto& peer : peers_) peer.reset();
      for (Call& call : calls_) call = {};
    }
    if (!has_meeting_) return;
    for (int r = 0; r < rank_; ++r) {
      Call& call = calls_[size_t(r)];
      Rendezvous::Address address;
      if (peers_[size_t(r)] || !rendezvous_.get(r, address)) continue;
      if (!call.socket || std::memcmp(&address, &call.address, sizeof address) != 0)
        begin(call, address);
    }
  }

  static void begin(Call& call, const Rendezvous::Address& address) {
    call = {};
    Found found;
    if (find(address.host, address.port, AI_NUMERICSERV, found) != 0) return;
    auto socket = socket_for(*found.first);
    if (!*socket) return;
    if (::connect(socket->get(), found.first->ai_addr, found.first->ai_addrlen) != 0 &&
        errno != EINPROGRESS)
      return;
    call.socket = std::move(socket);
    call.address = address;
  }

  // As far as it goes at once. One that fails begins again with the next look.
  void go_on(int rank) {
    Call& call = calls_[size_t(rank)];
    if (!call.socket) return;
    if (!call.is_said) {
      pollfd one{call.socket->get(), POLLOUT, 0};
      if (::poll(&one, 1, 0) <= 0) return;
      Hello hello{{}, rank_};
      std::memcpy(hello.secret, meeting_.hello, sizeof hello.secret);
      call.is_said = send(*call.socket, hello);
      if (!call.is_said) call = {};
      return;
    }
    const bool has_failed = has_ended(*call.socket, call.answer, call.come);
    if (call.come < sizeof call.answer) {
      if (has_failed) call = {};
      return;
    }
    if (call.answer.rank == rank &&
        is_same(call.answer.secret, meeting_.answer, sizeof meeting_.answer))
      peers_[size_t(rank)] = std::move(call.socket);
    call = {};
  }

  // Whoever calls has a while to say who it is; who does not know the secret is none of the run.
  void accept() {
    for (;;) {
      auto socket = std::make_unique<File>(
          ::accept4(listening_->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!*socket) break;
      if (strangers_.size() < kMostStrangers)
        strangers_.push_back({std::move(socket), Clock::now()});
    }
    for (Stranger& stranger : strangers_) {
      const bool has_failed = has_ended(*stranger.socket, stranger.hello, stranger.come);
      if (stranger.come == sizeof stranger.hello)
        answer(stranger);
      else if (has_failed || Clock::now() > stranger.since + kPatience)
        stranger.socket.reset();
    }
    std::erase_if(strangers_, [](const Stranger& stranger) { return !stranger.socket; });
  }

  void answer(Stranger& stranger) {
    std::unique_ptr<File> socket = std::move(stranger.socket);
    const Hello& hello = stranger.hello;
    const bool is_known = has_meeting_ &&
                          is_same(hello.secret, meeting_.hello, sizeof hello.secret) &&
                          hello.rank > rank_ && size_t(hello.rank) < peers_.size();
    if (!is_known || is_alive(hello.rank)) return;
    Hello own{{}, rank_};
    std::memcpy(own.secret, meeting_.answer, sizeof own.secret);
    if (send(*socket, own)) peers_[size_t(hello.rank)] = std::move(socket);
  }

  // It may have ended a connection of which it did not hear the answer.
  bool is_alive(int rank) const {
    const auto& peer = peers_[size_t(rank)];
    char next;
    return peer && ::recv(peer->get(), &next, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
  }

  std::vector<int> missing() const {
    std::vector<int> ranks;
    for (int r = 0; r < int(peers_.size()); ++r)
      if (r != rank_ && !peers_[size_t(r)]) ranks.push_back(r);
    return ranks;
  }

  Error late(double seconds) const {
    // Without the meeting nobody else knows this rank.
    if (!has_meeting_)
      return {ErrorCode::kBackend,
              no_answer(seconds) + "rank 0 did not come to let the others meet"};
    std::string ranks;
    for (int r : missing()) ranks += " " + std::to_string(r);
    return {ErrorCode::kBackend,
            no_answer(seconds) + "ranks that did not come to meet the others:" + ranks};
  }

  void wait() const {
    std::vector<pollfd> all{{listening_->get(), POLLIN, 0}};
    for (const Call& call : calls_)
      if (call.socket)
        all.push_back({call.socket->get(), short(call.is_said ? POLLIN : POLLOUT), 0});
    for (const Stranger& stranger : strangers_) all.push_back({stranger.socket->get(), POLLIN, 0});
    ::poll(all.data(), nfds_t(all.size()), kPause);
  }

  const Rendezvous& rendezvous_;
  const int rank_;
  Meeting meeting_{};
  bool has_meeting_ = false;
  std::vector<std::unique_ptr<File>> peers_;  // connected
  std::vector<Call> calls_;
  std::vector<Stranger> strangers_;
  const std::unique_ptr<File> listening_;
  Clock::time_point looked_{};
};

}  // namespace orthokit
