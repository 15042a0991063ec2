// The contract between core and an engine of collectives, which a plug-in of its own offers: plain
// data and plain functions. Core decides what is sent and when, waits, and counts; the engine moves
// bytes and sums between processes. All is called on one thread.
#pragma once
#include <cstdint>

#include "core/backend.h"

namespace orthokit {

inline constexpr uint32_t kEngineAbi = 4;
inline constexpr int32_t kHostMemory = -1;

struct World {
  int32_t rank, size;
  char host[128];
  // The device of CUDA between whose memory and that of other ranks the engine moves bytes by
  // itself; kHostMemory: none.
  int32_t device;
};

struct Caller {  // of an engine that asks again and again while it waits
  void* self;
  int32_t (*gives_up)(void* self);  // the engine's call throws, whatever it waits for
  double seconds;  // that an open waits for other ranks, before it throws which have not come
};

enum class Motion : int32_t {
  kSend,       // `data` to `peer`
  kReceive,    // `data` from `peer`
  kSum,        // `data` of f32 or f64 becomes the sum of all ranks, in place
  kExchange,   // of `data` each rank's part goes to it; its own parts of all stand in `into`
  kGather,     // each rank's part of `data` reaches all, in place
  kBroadcast,  // `data` of `peer` reaches all
};

struct Exchange {
  Motion motion;
  Dtype dtype;
  void* data;
  int64_t count;          // elements of data
  void* into;             // of kExchange: as many elements for each rank as the own part has
  const int64_t* counts;  // elements of each rank's part; the parts follow each other
  int32_t peer;
  int32_t tag;
  // Of data and into: kHostMemory, or the device of the world, whose work on them has ended. Words
  // (kSend, kReceive) lie on the host.
  int32_t device = kHostMemory;
};

struct Engine {
  uint32_t abi, bytes;                     // first and fixed: read before anything else
  void (*library)(char* text, size_t of);  // name and version; before open, too
  // The caller outlives the world.
  int32_t (*open)(void** world, World*, const Caller*, Failure*);
  // Begins; `data` and `into` stay until a test says that it is done, which frees the request. One
  // collective is under way at a time, and words beside it.
  int32_t (*start)(void* world, const Exchange*, void** request, Failure*);
  int32_t (*test)(void* world, void* request, int32_t* done, Failure*);
  void (*cancel)(void* world, void* request);  // of a receive that nobody sends for
  int32_t (*close)(void* world, Failure*);     // all ranks together
  // After a failure: 0 where `data` and `into` of what is under way are touched no more, else they
  // may be, for ever. Null: by nobody but test, as all calls but these are over.
  int32_t (*abandon)(void* world);
};

}  // namespace orthokit

// The only name that the plug-in of an engine exports.
extern "C" __attribute__((visibility("default"))) const orthokit::Engine* orthokit_engine();
