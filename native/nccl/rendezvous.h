// The folder in which the processes of a run find each other: what rank 0 has made for all, and the
// address of each.
#pragma once
#include <fcntl.h>
#include <nccl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>

#include "core/error.h"
#include "nccl/file.h"

namespace orthokit {

struct Meeting {  // a file that its owner alone may read
  char mark[16];
  unsigned char hello[32], answer[32];  // by which both sides of a connection know each other
  ncclUniqueId id;
};
static_assert(std::is_trivially_copyable_v<Meeting>);
inline constexpr char kMeetingMark[16] = "orthokit nccl 1";

class Rendezvous {
 public:
  explicit Rendezvous(std::string folder) : folder_(std::move(folder)) {}

  static Meeting make(const ncclUniqueId& id) {
    Meeting meeting{};
    std::memcpy(meeting.mark, kMeetingMark, sizeof meeting.mark);
    meeting.id = id;
    for (unsigned char* secret : {meeting.hello, meeting.answer})
      if (getrandom(secret, sizeof meeting.hello, 0) != ssize_t(sizeof meeting.hello))
        throw Error(ErrorCode::kBackend, std::string("getrandom: ") + std::strerror(errno), errno);
    return meeting;
  }
  void put(const Meeting& meeting) const { put("meeting", &meeting, sizeof meeting); }
  // False: it is not there yet.
  bool get(Meeting& meeting) const {
    return get("meeting", &meeting, sizeof meeting) &&
           (std::memcmp(meeting.mark, kMeetingMark, sizeof meeting.mark) == 0 ||
            refuse("meeting", "is not of this version of orthokit"));
  }

  struct Address {
    char host[256], port[16];
  };
  void put(int rank, const Address& address) const {
    put("rank-" + std::to_string(rank), &address, sizeof address);
  }
  bool get(int rank, Address& address) const {
    const std::string name = "rank-" + std::to_string(rank);
    if (!get(name, &address, sizeof address)) return false;
    return (memchr(address.host, 0, sizeof address.host) &&
            memchr(address.port, 0, sizeof address.port)) ||
           refuse(name, "is no address");
  }

 private:
  [[noreturn]] bool refuse(const std::string& name, const std::string& why) const {
    throw Error(ErrorCode::kBackend, folder_ + "/" + name + " " + why);
  }

  // Whole or not at all.
  void put(const std::string& name, const void* data, size_t bytes) const {
    const std::string path = folder_ + "/" + name, fresh = path + ".new";
    ::unlink(fresh.c_str());
    const File file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file || ::write(file.get(), data, bytes) != ssize_t(bytes) || ::fsync(file.get()) != 0 ||
        ::rename(fresh.c_str(), path.c_str()) != 0) {
      const int error = errno;
      throw Error(ErrorCode::kBackend, path + ": " + std::strerror(error), error);
    }
  }

  bool get(const std::string& name, void* data, size_t bytes) const {
    const std::string path = folder_ + "/" + name;
    const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) {
      if (errno != ENOENT) refuse(name, std::string("cannot be read: ") + std::strerror(errno));
      struct stat folder;
      if (::stat(folder_.c_str(), &folder) != 0) refuse("", std::strerror(errno));
      return false;
    }
    struct stat status;
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
      refuse(name, "is not a file that this user alone can read and write");
    if (status.st_size != off_t(bytes) || ::read(file.get(), data, bytes) != ssize_t(bytes))
      refuse(name, "is not of this version of orthokit");
    return true;
  }

  const std::string folder_;
};

}  // namespace orthokit
