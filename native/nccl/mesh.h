// Words between the hosts of ranks, over a connection of each to each: NCCL moves tensors, and has
// nothing for what may come at any time or never. All is called on one thread, and nothing waits.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "nccl/file.h"

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

  explicit Mesh(int size) : peers_(size_t(size)) {}
  Mesh(const Mesh&) = delete;

  void connect(int peer, std::unique_ptr<File> socket) {
    const int on = 1;
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket->get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    peers_[size_t(peer)].socket = std::move(socket);
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
  static constexpr size_t kLongest = 1 << 16;  // a word

  struct Head {
    int32_t tag;
    uint32_t bytes;
  };
  struct Peer {
    std::unique_ptr<File> socket;
    std::vector<char> out, in;
    uint64_t asked = 0, sent = 0;
    std::map<int, std::deque<std::vector<char>>> come;  // by tag
    bool is_deaf = false;  // it has ended the connection, and words of it may be on their way
    Clock::time_point ended_at{};
  };
  static void append(std::vector<char>& to, const void* data, size_t bytes) {
    const auto* from = static_cast<const char*>(data);
    to.insert(to.end(), from, from + bytes);
  }

  static void end(Peer& peer) {
    peer.socket.reset();
    peer.ended_at = Clock::now();
  }

  static void flush(Peer& peer) {
    size_t gone = 0;
    while (!peer.is_deaf && gone < peer.out.size()) {
      const ssize_t n = ::send(peer.socket->get(), peer.out.data() + gone, peer.out.size() - gone,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) gone += size_t(n);
      if (n < 0 && errno == EINTR) continue;
      peer.is_deaf = n < 0 && errno != EAGAIN;
      if (n <= 0) break;
    }
    peer.sent += gone;
    peer.out.erase(peer.out.begin(), peer.out.begin() + ptrdiff_t(gone));
  }

  static void drain(Peer& peer) {
    bool has_ended = false;
    for (char room[4096];;) {
      const ssize_t n = ::recv(peer.socket->get(), room, sizeof room, MSG_DONTWAIT);
      if (n > 0) append(peer.in, room, size_t(n));
      if (n < 0 && errno == EINTR) continue;
      has_ended = n == 0 || (n < 0 && (errno != EAGAIN || peer.is_deaf));
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

  std::vector<Peer> peers_;
  std::list<Word> words_;  // as they were asked for
};

}  // namespace orthokit
