// Words between hosts, by which ranks over NCCL hear of each other.
#include "nccl/mesh.h"

#include <sys/socket.h>

#include <memory>
#include <string>

#include "support.h"

using orthokit::File;
using orthokit::Mesh;

namespace {

struct Pair {
  Pair() {
    int fds[2] = {-1, -1};
    REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    mesh.connect(1, std::make_unique<File>(fds[0]));
    other.connect(0, std::make_unique<File>(fds[1]));
  }
  Mesh mesh{2}, other{2};
};

}  // namespace

TEST_CASE("words that came are read though the other one hears none any more") {
  for (const bool writes : {false, true}) {
    CAPTURE(writes);
    Pair pair;
    const std::string said = "rank 1 failed: why", lost(1000, 'x');
    pair.other.send(0, 3, said.data(), said.size());
    pair.other.progress();
    pair.other.close();
    if (writes) pair.mesh.send(1, 2, lost.data(), lost.size());
    std::string heard(said.size(), ' ');
    auto* word = pair.mesh.receive(1, 3, heard.data(), heard.size());
    pair.mesh.progress();
    CHECK(word->is_done);
    CHECK_EQ(heard, said);
    CHECK((pair.mesh.ended_at(1) != Mesh::Clock::time_point{}));
  }
}
