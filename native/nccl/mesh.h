// Words between the hosts of ranks, over a connection of each to each: NCCL moves tensors, and has
// nothing for what may come at any time or never. All is called on one thread and nothing waits but
// the meeting.
#pragma once
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "nccl/rendezvous.h"

namespace orthokit {

class Mesh {
 public:
  using Clock = std::chrono::steady_clock;

  struct Word {  // that is on its way
    int peer, tag;
    void* data;  // of a receive
    size_t bytes;
    bool sends, is_done = false;
    uint64_t end = 0;  // of a send, among all bytes to this peer
  };

  Mesh(int rank, int size) : rank_(rank), peers_(size_t(size)) {}
  Mesh(const Mesh&) = delete;

  // Returns when every pair is connected; throws where the caller gives up.
  void meet(const Rendezvous& rendezvous, const Meeting& meeting, const std::string& host,
            const Caller& caller) {
    const auto wait = [&](int fd, short events) {
      if (caller.gives_up(caller.self)) throw Error(ErrorCode::kBackend, "given up");
      pollfd one{fd, events, 0};
      return ::poll(&one, 1, kPause) > 0;
    };
    const std::unique_ptr<File> listening = listen_at(host, rendezvous);
    for (int r = 0; r < rank_; ++r) call(rendezvous, meeting, r, wait);
    std::vector<Stranger> strangers;
    const auto missing = [&] {
      return std::any_of(peers_.begin() + rank_ + 1, peers_.end(),
                         [](const Peer& peer) { return !peer.socket; });
    };
    while (missing()) {
      wait(listening->get(), POLLIN);
      answer(listening->get(), meeting, strangers);
    }
  }

  Word* send(int peer, int tag, const void* data, size_t bytes) {
    Peer& to = peers_[size_t(peer)];
    const Head head{tag, uint32_t(bytes)};
    append(to.out, &head, sizeof head);
    append(to.out, data, bytes);
    to.asked += sizeof head + bytes;
    return &words_.emplace_back(Word{peer, tag, nullptr, bytes, true, false, to.asked});
  }
  Word* receive(int peer, int tag, void* data, size_t bytes) {
    return &words_.emplace_back(Word{peer, tag, data, bytes, false});
  }
  void forget(const Word* word) {
    words_.remove_if([&](const Word& other) { return &other == word; });
  }

  // Whatever can be read and written at once.
  void progress() {
    for (Peer& peer : peers_) {
      if (!peer.socket) continue;
      flush(peer);
      drain(peer);
    }
    for (Word& word : words_) {
      if (word.is_done) continue;
      Peer& peer = peers_[size_t(word.peer)];
      if (word.sends) {
        word.is_done = peer.sent >= word.end;
        continue;
      }
      auto& come = peer.come[word.tag];
      if (come.empty()) continue;
      if (come.front().size() != word.bytes)
        throw Error(ErrorCode::kBackend, "rank " + std::to_string(word.peer) + " has sent " +
                                             std::to_string(come.front().size()) +
                                             " bytes in place of " + std::to_string(word.bytes));
      std::memcpy(word.data, come.front().data(), word.bytes);
      come.pop_front();
      word.is_done = true;
    }
  }

  // When the connection to a peer ended; none: it has not.
  Clock::time_point ended_at(int peer) const { return peers_[size_t(peer)].ended_at; }

  void close() {
    for (Peer& peer : peers_) peer.socket.reset();
  }

 private:
  static constexpr int kPause = 20;                           // milliseconds
  static constexpr size_t kLongest = 1 << 16;                 // a word
  static constexpr size_t kMostStrangers = 64;                // who have yet to say who they are
  static constexpr auto kPatience = std::chrono::seconds(5);  // with one of them

  struct Head {
    int32_t tag;
    uint32_t bytes;
  };
  struct Hello {
    unsigned char secret[32];
    int32_t rank;
  };
  struct Peer {
    std::unique_ptr<File> socket;
    std::vector<char> out, in;
    uint64_t asked = 0, sent = 0;
    std::map<int, std::deque<std::vector<char>>> come;  // by tag
    Clock::time_point ended_at{};
  };
  struct Stranger {
    std::unique_ptr<File> socket;
    Clock::time_point since;
    Hello hello{};
    size_t come = 0;
  };

  static void append(std::vector<char>& to, const void* data, size_t bytes) {
    const auto* from = static_cast<const char*>(data);
    to.insert(to.end(), from, from + bytes);
  }

  // In a time that does not tell how much of it is right.
  static bool is_same(const unsigned char* a, const unsigned char* b, size_t bytes) {
    unsigned char differs = 0;
    for (size_t i = 0; i < bytes; ++i)
      differs = static_cast<unsigned char>(differs | (a[i] ^ b[i]));
    return differs == 0;
  }

  struct Found {
    addrinfo* first = nullptr;
    ~Found() {
      if (first) freeaddrinfo(first);
    }
  };
  static int find(const char* host, const char* port, int flags, Found& found) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    return getaddrinfo(host, port, &hints, &found.first);
  }

  std::unique_ptr<File> listen_at(const std::string& host, const Rendezvous& rendezvous) const {
    Found found;
    if (const int result = find(host.c_str(), nullptr, AI_PASSIVE, found))
      throw Error(ErrorCode::kBackend,
                  "ORTHOKIT_NCCL_HOST must be an address of this machine, got " + host + ": " +
                      gai_strerror(result));
    auto socket = std::make_unique<File>(
        ::socket(found.first->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage at{};
    socklen_t bytes = sizeof at;
    if (!*socket || ::bind(socket->get(), found.first->ai_addr, found.first->ai_addrlen) != 0 ||
        ::listen(socket->get(), SOMAXCONN) != 0 ||
        ::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&at), &bytes) != 0)
      throw Error(ErrorCode::kBackend,
                  "ORTHOKIT_NCCL_HOST must be an address of this machine, got " + host + ": " +
                      std::strerror(errno));
    const auto port = at.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(at).sin6_port
                                               : reinterpret_cast<sockaddr_in&>(at).sin_port;
    Rendezvous::Address address{};
    std::snprintf(address.host, sizeof address.host, "%s", host.c_str());
    std::snprintf(address.port, sizeof address.port, "%d", int(ntohs(port)));
    rendezvous.put(rank_, address);
    return socket;
  }

  // A lower rank, until it answers as one of this run does: an address may be one of a run before.
  template <class Wait>
  void call(const Rendezvous& rendezvous, const Meeting& meeting, int rank, Wait&& wait) {
    for (;; wait(-1, 0)) {
      Rendezvous::Address address;
      if (!rendezvous.get(rank, address)) continue;
      Found found;
      if (find(address.host, address.port, AI_NUMERICSERV, found) != 0) continue;
      auto socket = std::make_unique<File>(
          ::socket(found.first->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (!*socket) continue;
      if (::connect(socket->get(), found.first->ai_addr, found.first->ai_addrlen) != 0 &&
          errno != EINPROGRESS)
        continue;
      Hello hello{{}, rank_};
      std::memcpy(hello.secret, meeting.hello, sizeof hello.secret);
      // It may be busy with ranks below it for long.
      const auto is_there = [&] {
        Rendezvous::Address other;
        return rendezvous.get(rank, other) && std::memcmp(&address, &other, sizeof other) == 0;
      };
      while (!wait(socket->get(), POLLOUT) && is_there()) {
      }
      if (::send(socket->get(), &hello, sizeof hello, MSG_NOSIGNAL) != ssize_t(sizeof hello))
        continue;
      Hello answer{};
      size_t come = 0;
      while (come < sizeof answer) {
        if (!wait(socket->get(), POLLIN)) {
          if (!is_there()) break;
          continue;
        }
        const ssize_t n =
            ::recv(socket->get(), reinterpret_cast<char*>(&answer) + come, sizeof answer - come, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
        if (n > 0) come += size_t(n);
      }
      if (come == sizeof answer && answer.rank == rank &&
          is_same(answer.secret, meeting.answer, sizeof answer.secret))
        return adopt(rank, std::move(socket));
    }
  }

  // Whoever calls has a while to say who it is; who does not know the secret is none of the run.
  void answer(int listening, const Meeting& meeting, std::vector<Stranger>& strangers) {
    for (;;) {
      auto socket = std::make_unique<File>(
          ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!*socket) break;
      if (strangers.size() < kMostStrangers) strangers.push_back({std::move(socket), Clock::now()});
    }
    for (Stranger& stranger : strangers) {
      const ssize_t n =
          ::recv(stranger.socket->get(), reinterpret_cast<char*>(&stranger.hello) + stranger.come,
                 sizeof stranger.hello - stranger.come, 0);
      if (n > 0) stranger.come += size_t(n);
      const bool has_ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
      const Hello& hello = stranger.hello;
      if (stranger.come == sizeof hello) {
        Hello own{{}, rank_};
        std::memcpy(own.secret, meeting.answer, sizeof own.secret);
        const bool is_known = is_same(hello.secret, meeting.hello, sizeof hello.secret) &&
                              hello.rank > rank_ && size_t(hello.rank) < peers_.size() &&
                              !peers_[size_t(hello.rank)].socket;
        if (is_known &&
            ::send(stranger.socket->get(), &own, sizeof own, MSG_NOSIGNAL) == ssize_t(sizeof own))
          adopt(hello.rank, std::move(stranger.socket));
        stranger.socket.reset();
      } else if (has_ended || Clock::now() > stranger.since + kPatience) {
        stranger.socket.reset();
      }
    }
    std::erase_if(strangers, [](const Stranger& stranger) { return !stranger.socket; });
  }

  void adopt(int rank, std::unique_ptr<File> socket) {
    const int on = 1;
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket->get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    peers_[size_t(rank)].socket = std::move(socket);
  }

  static void end(Peer& peer) {
    peer.socket.reset();
    peer.ended_at = Clock::now();
  }

  static void flush(Peer& peer) {
    size_t gone = 0;
    while (gone < peer.out.size()) {
      const ssize_t n = ::send(peer.socket->get(), peer.out.data() + gone, peer.out.size() - gone,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) gone += size_t(n);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno != EAGAIN) return end(peer);
      if (n <= 0) break;
    }
    peer.sent += gone;
    peer.out.erase(peer.out.begin(), peer.out.begin() + ptrdiff_t(gone));
  }

  static void drain(Peer& peer) {
    if (!peer.socket) return;
    bool has_ended = false;
    for (char room[4096];;) {
      const ssize_t n = ::recv(peer.socket->get(), room, sizeof room, MSG_DONTWAIT);
      if (n > 0) append(peer.in, room, size_t(n));
      if (n < 0 && errno == EINTR) continue;
      has_ended = n == 0 || (n < 0 && errno != EAGAIN);
      if (n <= 0 || peer.in.size() > 16 * kLongest) break;
    }
    size_t at = 0;
    for (Head head; peer.in.size() - at >= sizeof head;) {
      std::memcpy(&head, peer.in.data() + at, sizeof head);
      if (head.bytes > kLongest) has_ended = true;
      if (head.bytes > kLongest || peer.in.size() - at - sizeof head < head.bytes) break;
      const auto from = peer.in.begin() + ptrdiff_t(at + sizeof head);
      peer.come[head.tag].emplace_back(from, from + head.bytes);
      at += sizeof head + head.bytes;
    }
    peer.in.erase(peer.in.begin(), peer.in.begin() + ptrdiff_t(at));
    if (has_ended) end(peer);
  }

  const int rank_;
  std::vector<Peer> peers_;
  std::list<Word> words_;  // as they were asked for
};

}  // namespace orthokit
