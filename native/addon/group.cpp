#include "addon/group.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <numeric>
#include <string>

#include "addon/handles.h"
#include "core/group.h"
#include "core/plugin.h"

namespace orthokit {
namespace {

struct EngineFile {
  const char *name, *file;
  Plugin plugin;
};
constexpr EngineFile kEngines[] = {
    {"mpi", "orthokit_mpi.so", {"MPI", "ORTHOKIT_MPI_PLUGIN"}},
    {"gloo", "orthokit_gloo.so", {"Gloo", "ORTHOKIT_GLOO_PLUGIN"}},
    {"nccl", "orthokit_nccl.so", {"NCCL", "ORTHOKIT_NCCL_PLUGIN"}},
};

struct OpenEngine {
  const Engine* table = nullptr;
  std::string reason;
};

OpenEngine find_engine(const EngineFile& from) {
  // UCX, which an MPI may load, would put functions of its own in the place of brk, mmap and the
  // handlers of signals, for all of the process.
  setenv("UCX_MEM_EVENTS", "no", 0);
  setenv("UCX_HANDLE_ERRORS", "none", 0);
  const Opened opened = open_library(from.plugin, from.file, "orthokit_engine");
  if (!opened.entry) return {nullptr, opened.reason};
  const Engine* table = reinterpret_cast<decltype(&orthokit_engine)>(opened.entry)();
  if (!table || table->abi != kEngineAbi || table->bytes != sizeof(Engine))
    return {nullptr, opened.path + " was built for another version of orthokit; rebuild it"};
  return {table, ""};
}

std::string text_of(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }

// Opened at the first question for it.
const OpenEngine& engine(const Napi::Value& named) {
  static auto& found = *new std::map<std::string, OpenEngine>;
  static auto& mutex = *new std::mutex;  // threads of Node.js may ask at once
  const std::string name = text_of(named);
  std::lock_guard lock(mutex);
  const auto known = found.find(name);
  if (known != found.end()) return known->second;
  for (const EngineFile& from : kEngines)
    if (name == from.name) return found.emplace(name, find_engine(from)).first->second;
  throw Error(ErrorCode::kArgument, "there is no engine " + name);
}

// An engine starts once in a process, and ends with it.
std::mutex group_mutex;
// Never freed: a thread that an engine does not give back still has it when the process ends.
std::shared_ptr<Group>& the_group = *new std::shared_ptr<Group>;
napi_env group_env = nullptr;
// The start or the end of an engine, which may never come back.
struct Awaited {
  bool is_over = false;
};
std::shared_ptr<Awaited> awaited;

std::shared_ptr<Group> group_of(napi_env env) {
  std::lock_guard lock(group_mutex);
  if (!the_group || group_env != env) throw Error(ErrorCode::kState, "there is no group");
  return the_group;
}

template <size_t n>
void put_text(char (&to)[n], const Napi::Value& value) {
  std::snprintf(to, n, "%s", text_of(value).c_str());
}

Napi::Value queued(Napi::Env env, Napi::Value array, Group& group, Group::Work work,
                   std::shared_ptr<Loan> loan = nullptr) {
  std::unique_ptr<Completion> c(new Completion{Napi::Promise::Deferred::New(env), {}, {}, {}, {}});
  Completion& pending = *c;
  const auto promise = Addon::of(env).promise(env, std::move(c), [&](auto done) {
    group.submit(std::move(work), std::move(done), std::move(loan));
  });
  // It completes on this thread, so not before here.
  if (array.IsObject()) pending.array = Napi::Persistent(array.As<Napi::Object>());
  return promise;
}

// The process can be told to wait no more for its promise, which then stays as it is.
template <class Submit>
Napi::Value abandonable(Napi::Env env, Submit&& submit) {
  std::unique_ptr<Completion> c(new Completion{Napi::Promise::Deferred::New(env), {}, {}, {}, {}});
  const auto own = std::make_shared<Awaited>();
  const auto promise = Addon::of(env).promise(env, std::move(c), [&](auto done) {
    submit([own, done = std::move(done)](std::optional<Error> error) {
      std::lock_guard lock(group_mutex);
      if (own->is_over) return;
      own->is_over = true;
      done(std::move(error));
    });
  });
  std::lock_guard lock(group_mutex);
  awaited = own;
  return promise;
}

Napi::Value group_abandon(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  std::lock_guard lock(group_mutex);
  if (awaited && !awaited->is_over) {
    awaited->is_over = true;
    if (--addon.pending == 0) addon.queue.Unref(info.Env());
  }
  return info.Env().Undefined();
}

// (engine)
Napi::Value engine_library(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "engine", [&]() -> Napi::Value {
    auto result = Napi::Object::New(info.Env());
    const OpenEngine& found = engine(info[0]);
    if (found.table) {
      char text[256] = {};
      found.table->library(text, sizeof text);
      result["library"] = std::string(text);
    } else {
      result["reason"] = found.reason;
    }
    return result;
  });
}

// (engine, timeout, bytes of a bucket)
Napi::Value open_group(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "connect", [&]() -> Napi::Value {
    const OpenEngine& found = engine(info[0]);
    if (!found.table) throw Error(ErrorCode::kBackend, found.reason);
    std::shared_ptr<Group> group;
    {
      std::lock_guard lock(group_mutex);
      if (the_group) throw Error(ErrorCode::kUnsupported, "an engine starts once in a process");
      the_group = group = std::make_shared<Group>(*found.table);
      group_env = info.Env();
    }
    const double timeout = info[1].As<Napi::Number>().DoubleValue();
    const int64_t bucket_bytes = info[2].As<Napi::Number>().Int64Value();
    return abandonable(info.Env(),
                       [&](auto done) { group->open(timeout, bucket_bytes, std::move(done)); });
  });
}

Napi::Value group_world(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto group = group_of(info.Env());
    auto result = Napi::Object::New(info.Env());
    result["rank"] = group->world().rank, result["size"] = group->world().size;
    result["host"] = std::string(group->world().host);
    result["device"] = group->world().device;
    return result;
  });
}

Napi::Value group_traffic(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto group = group_of(info.Env());
    auto result = Napi::Object::New(info.Env());
    result["moves"] = double(group->traffic().moves.load());
    result["received"] = double(group->traffic().received.load());
    return result;
  });
}

// (number, tag, what, digest, weight, Float64Array of a weight a rank, which is filled, patient)
Napi::Value group_agree(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto group = group_of(info.Env());
    Announced call;
    call.number = uint64_t(info[0].As<Napi::Number>().Int64Value());
    put_text(call.tag, info[1]);
    put_text(call.what, info[2]);
    put_text(call.digest, info[3]);
    call.weight = info[4].As<Napi::Number>().DoubleValue();
    double* weights = info[5].As<Napi::Float64Array>().Data();
    Group& g = *group;
    const bool patient = info[6].ToBoolean();
    return queued(info.Env(), info[5], g,
                  [&g, call, weights, patient] { g.agree(call, weights, patient); });
  });
}

std::vector<double> numbers_of(const Napi::Value& value) {
  const auto array = value.As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

// (kind, bytes, dtype by its number, elements a rank, weights, mean, ordered, root)
Napi::Value group_move(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto group = group_of(info.Env());
    Group& g = *group;
    const std::string kind = text_of(info[0]);
    const auto array = info[1].As<Napi::TypedArray>();
    void* data = static_cast<std::byte*>(array.ArrayBuffer().Data()) + array.ByteOffset();
    const auto dtype = Dtype(info[2].As<Napi::Number>().Int32Value());
    std::vector<int64_t> counts;
    for (double count : numbers_of(info[3])) counts.push_back(int64_t(count));
    const int64_t all = std::reduce(counts.begin(), counts.end());
    if (size_t(all) * bytes_of(dtype) != array.ByteLength() || int(counts.size()) != g.world().size)
      throw Error(ErrorCode::kShape, "the bucket does not fit its parts");
    const auto weights = numbers_of(info[4]);
    const bool mean = info[5].ToBoolean(), ordered = info[6].ToBoolean();
    const int root = info[7].As<Napi::Number>().Int32Value();
    const auto work = [&]() -> Group::Work {
      if (kind == "sum") return [=, &g] { g.sum(data, all, dtype, weights, mean, ordered); };
      if (kind == "part") return [=, &g] { g.sum_part(data, dtype, counts, weights, mean); };
      if (kind == "gather") return [=, &g] { g.gather(data, dtype, counts); };
      return [=, &g] { g.broadcast(data, all, dtype, root); };
    };
    return queued(info.Env(), info[1], g, work());
  });
}

// (kind, tensor, tensor of the own part of each rank or undefined, elements a rank, root)
Napi::Value group_move_on_device(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto group = group_of(info.Env());
    Group& g = *group;
    const std::string kind = text_of(info[0]);
    const Tensor data = TensorHandle::from(info.Env(), info[1], "tensor");
    const bool exchanges = kind == "exchange";
    const Tensor into = exchanges ? TensorHandle::from(info.Env(), info[2], "into") : Tensor();
    std::vector<int64_t> counts;
    for (double count : numbers_of(info[3])) counts.push_back(int64_t(count));
    const int root = info[4].As<Napi::Number>().Int32Value();
    const View& view = data.view();
    const Dtype dtype = view.dtype;
    const int64_t all = std::reduce(counts.begin(), counts.end());
    if (int(counts.size()) != g.world().size || all != view.size() ||
        (exchanges && (into.view().dtype != dtype ||
                       into.view().size() != counts[size_t(g.world().rank)] * g.world().size)))
      throw Error(ErrorCode::kShape, "the bucket does not fit its parts");
    const int32_t device = g.world().device;
    auto loan = TensorHandle::lend(info.Env(), info[1], "tensor");
    // The work has its share in the tensors until it is over, and its device does not end before.
    const auto work = [&]() -> Group::Work {
      if (kind == "sum") return [=, &g] { g.add(data.view().data, all, dtype, device); };
      if (kind == "gather") return [=, &g] { g.gather(data.view().data, dtype, counts, device); };
      if (exchanges)
        return [=, &g] { g.exchange(data.view().data, into.view().data, dtype, counts, device); };
      return [=, &g] { g.broadcast(data.view().data, all, dtype, root, device); };
    };
    return queued(info.Env(), info.Env().Undefined(), g, work(), std::move(loan));
  });
}

Napi::Value group_close(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto group = group_of(info.Env());
    return abandonable(info.Env(), [&](auto done) {
      group->submit([group] { group->close(); }, std::move(done));
    });
  });
}

Napi::Value group_fail(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    group_of(info.Env())->fail(text_of(info[0]));
    return info.Env().Undefined();
  });
}

Napi::Value group_failure(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "group", [&]() -> Napi::Value {
    const auto failure = group_of(info.Env())->failure();
    if (!failure) return info.Env().Undefined();
    auto result = Napi::Object::New(info.Env());
    result["rank"] = failure->rank, result["text"] = failure->text;
    return result;
  });
}

}  // namespace

void define_group(Napi::Env env, Napi::Object exports) {
  auto group = Napi::Object::New(env);
  group["engine"] = Napi::Function::New<engine_library>(env);
  group["abandon"] = Napi::Function::New<group_abandon>(env);
  group["open"] = Napi::Function::New<open_group>(env);
  group["world"] = Napi::Function::New<group_world>(env);
  group["traffic"] = Napi::Function::New<group_traffic>(env);
  group["agree"] = Napi::Function::New<group_agree>(env);
  group["move"] = Napi::Function::New<group_move>(env);
  group["moveOnDevice"] = Napi::Function::New<group_move_on_device>(env);
  group["close"] = Napi::Function::New<group_close>(env);
  group["fail"] = Napi::Function::New<group_fail>(env);
  group["failure"] = Napi::Function::New<group_failure>(env);
  exports["group"] = group;
}

void halt_group(napi_env env) {
  std::lock_guard lock(group_mutex);
  if (the_group && group_env == env) the_group->halt();
}

}  // namespace orthokit
