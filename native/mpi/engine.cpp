// Collectives over MPI, whichever is installed: orthokit_mpi.so, compiled by its own compiler.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include "core/engine.h"

#include <mpi.h>

#include <climits>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/engine_library.h"
#include "core/error.h"

namespace orthokit {
namespace {

struct Request {
  MPI_Request request = MPI_REQUEST_NULL;
  std::vector<int> counts, offsets, own_counts, own_offsets;  // MPI reads them until it is done
};

struct MpiWorld {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 1;
};

void check(int result, const char* what) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw Error(ErrorCode::kBackend, std::string(what) + ": " + text, result);
}

int number(int64_t count) {
  if (count < 0 || count > INT_MAX)
    throw Error(ErrorCode::kUnsupported,
                "MPI counts at most 2147483647 elements at once, got " + std::to_string(count));
  return int(count);
}

MPI_Datatype summed(Dtype dtype) {
  if (dtype == Dtype::kF32) return MPI_FLOAT;
  if (dtype == Dtype::kF64) return MPI_DOUBLE;
  throw Error(ErrorCode::kDtype, "MPI sums f32 and f64");
}

MPI_Datatype moved(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return MPI_UINT64_T;
    case Dtype::kF32:
    case Dtype::kI32:
      return MPI_UINT32_T;
    case Dtype::kF16:
    case Dtype::kBf16:
      return MPI_UINT16_T;
    case Dtype::kU8:
      break;
  }
  return MPI_UINT8_T;
}

// The MPI that this file was compiled against.
#if defined(OPEN_MPI)
#define ORTHOKIT_MPI_NAME                                          \
  "Open MPI " ORTHOKIT_TEXT(OMPI_MAJOR_VERSION) "." ORTHOKIT_TEXT( \
      OMPI_MINOR_VERSION) "." ORTHOKIT_TEXT(OMPI_RELEASE_VERSION)
#elif defined(MPICH_VERSION)
#define ORTHOKIT_MPI_NAME "MPICH " MPICH_VERSION
#else
#define ORTHOKIT_MPI_NAME "MPI " ORTHOKIT_TEXT(MPI_VERSION) "." ORTHOKIT_TEXT(MPI_SUBVERSION)
#endif
constexpr char kLibrary[] = ORTHOKIT_ENGINE_MARK ORTHOKIT_MPI_NAME "\n";

void library(char* text, size_t of) { write_library(kLibrary, text, of); }

int32_t open(void** world, World* about, const Caller*, Failure* failure) {
  return guarded(failure, [&] {
    int was = 0, had = 0, ended = 0;
    check(MPI_Initialized(&was), "MPI_Initialized");
    check(MPI_Finalized(&ended), "MPI_Finalized");
    if (was || ended)
      throw Error(ErrorCode::kUnsupported, "MPI was started in this process before");
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &had), "MPI_Init_thread");
    if (had < MPI_THREAD_SERIALIZED)
      throw Error(ErrorCode::kBackend, "this MPI was built without MPI_THREAD_SERIALIZED");
    auto own = std::make_unique<MpiWorld>();
    own->comm = MPI_COMM_WORLD;  // a copy would wait for all ranks, without end where one is lost
    check(MPI_Comm_set_errhandler(own->comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(own->comm, &own->rank), "MPI_Comm_rank");
    check(MPI_Comm_size(own->comm, &own->size), "MPI_Comm_size");
    about->rank = own->rank, about->size = own->size;
    char host[MPI_MAX_PROCESSOR_NAME] = {};
    int length = 0;
    check(MPI_Get_processor_name(host, &length), "MPI_Get_processor_name");
    std::snprintf(about->host, sizeof about->host, "%.127s", host);
    *world = own.release();
  });
}

void parts(const int64_t* of, int size, std::vector<int>& counts, std::vector<int>& offsets) {
  int64_t at = 0;
  for (int i = 0; i < size; ++i) {
    counts.push_back(number(of[i]));
    offsets.push_back(number(at));
    at += of[i];
  }
}

int32_t start(void* world, const Exchange* e, void** request, Failure* failure) {
  return guarded(failure, [&] {
    const auto& own = *static_cast<MpiWorld*>(world);
    auto r = std::make_unique<Request>();
    const int count = number(e->count);
    const auto type = moved(e->dtype);
    switch (e->motion) {
      case Motion::kSend:
        check(MPI_Isend(e->data, count, type, e->peer, e->tag, own.comm, &r->request), "MPI_Isend");
        break;
      case Motion::kReceive:
        check(MPI_Irecv(e->data, count, type, e->peer, e->tag, own.comm, &r->request), "MPI_Irecv");
        break;
      case Motion::kSum:
        check(MPI_Iallreduce(MPI_IN_PLACE, e->data, count, summed(e->dtype), MPI_SUM, own.comm,
                             &r->request),
              "MPI_Iallreduce");
        break;
      case Motion::kExchange: {
        parts(e->counts, own.size, r->counts, r->offsets);
        const std::vector<int64_t> same(size_t(own.size), e->counts[own.rank]);
        parts(same.data(), own.size, r->own_counts, r->own_offsets);
        check(MPI_Ialltoallv(e->data, r->counts.data(), r->offsets.data(), type, e->into,
                             r->own_counts.data(), r->own_offsets.data(), type, own.comm,
                             &r->request),
              "MPI_Ialltoallv");
        break;
      }
      case Motion::kGather:
        parts(e->counts, own.size, r->counts, r->offsets);
        check(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, e->data, r->counts.data(),
                              r->offsets.data(), type, own.comm, &r->request),
              "MPI_Iallgatherv");
        break;
      case Motion::kBroadcast:
        check(MPI_Ibcast(e->data, count, type, e->peer, own.comm, &r->request), "MPI_Ibcast");
        break;
    }
    *request = r.release();
  });
}

int32_t test(void*, void* request, int32_t* done, Failure* failure) {
  return guarded(failure, [&] {
    auto* r = static_cast<Request*>(request);
    int flag = 0;
    check(MPI_Test(&r->request, &flag, MPI_STATUS_IGNORE), "MPI_Test");
    *done = flag;
    if (flag) delete r;
  });
}

void cancel(void*, void* request) {
  std::unique_ptr<Request> r(static_cast<Request*>(request));
  MPI_Cancel(&r->request);
  MPI_Wait(&r->request, MPI_STATUS_IGNORE);
}

int32_t close(void* world, Failure* failure) {
  return guarded(failure, [&] {
    std::unique_ptr<MpiWorld> own(static_cast<MpiWorld*>(world));
    check(MPI_Finalize(), "MPI_Finalize");
  });
}

constexpr Engine kEngine{kEngineAbi, sizeof(Engine), library, open,   start,
                         test,       cancel,         close,   nullptr};

}  // namespace
}  // namespace orthokit

extern "C" const orthokit::Engine* orthokit_engine() { return &orthokit::kEngine; }
