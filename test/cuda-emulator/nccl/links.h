// Connections of a rank to all others of a communicator: sockets of this machine.
#pragma once
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "nccl.h"

namespace ncclemu {

struct Refused : std::runtime_error {
  ncclResult_t code;
  Refused(ncclResult_t why, const std::string& text) : std::runtime_error(text), code(why) {}
};
struct Aborted {};

struct Hello {  // of a rank to each other one
  int32_t ranks, rank, device;
  char machine[64];
};

class Links {
 public:
  using Asked = std::function<bool()>;  // whether the communicator was aborted
  Links() = default;
  ~Links();
  Links(const Links&) = delete;

  // Throws Refused where ranks do not fit together, as two on one device; Aborted.
  void connect(const std::string& name, const Hello& own, const Asked& aborted);

  // Bytes to and from each rank. `more(r)` is called when all that came for rank r has come, and
  // sets what comes next; without that nothing more is expected of it.
  struct Way {
    std::vector<char> out;
    size_t sent = 0;
    char* in = nullptr;
    size_t wanted = 0, come = 0;
    bool done() const { return sent == out.size() && come == wanted; }
  };
  void move(std::vector<Way>& ways, const std::function<void(int)>& more, const Asked& aborted);

 private:
  std::vector<int> sockets_;
};

}  // namespace ncclemu
