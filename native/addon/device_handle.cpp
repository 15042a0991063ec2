// Devices as JS objects.
#include <cmath>

#include "addon/handles.h"
#include "addon/messages.h"

namespace orthokit {

static constexpr Require require;
// Bytes that the garbage collector is told of for a device and for each of its threads: a program
// that drops devices makes it run before there are many.
constexpr int64_t kBytesOfDevice = 1 << 20, kBytesOfThread = 1 << 18;

Napi::Function DeviceHandle::define(Napi::Env env, Napi::Object exports) {
  exports["giveUp"] = Napi::Function::New<&DeviceHandle::give_up>(env);
  exports["info"] = Napi::Function::New<&DeviceHandle::info>(env);
  exports["synchronize"] = Napi::Function::New<&DeviceHandle::synchronize>(env);
  exports["flow"] = Napi::Function::New<&DeviceHandle::flow>(env);
  exports["last"] = Napi::Function::New<&DeviceHandle::last>(env);
  exports["beginStep"] = Napi::Function::New<&DeviceHandle::step<&Device::begin_step>>(env);
  exports["endStep"] = Napi::Function::New<&DeviceHandle::step<&Device::end_step>>(env);
  exports["close"] = Napi::Function::New<&DeviceHandle::close>(env);
  return DefineClass(env, "Device", {});
}

DeviceHandle::DeviceHandle(const Napi::CallbackInfo& info)
    : ObjectWrap(info), handles_(Addon::of(info.Env()).device_handles) {
  const auto note = [&] {  // nothing throws after it: see TensorHandle
    place_ = handles_->insert(this);
    Addon::of(info.Env()).tell(place_);
  };
  if (unwrap(info.Env(), info[0]))
    guard(info.Env(), [&] {
      device_ = from(info.Env(), info[0]);
      given_up_ = std::make_shared<Flag>(false);
      note();
    });
  else
    guard(info.Env(), "Device.open", [&] { open(info), note(); });
}

DeviceHandle* DeviceHandle::unwrap(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_unwrap(env, value, &data) != napi_ok || !Addon::of(env).device_handles->contains(data))
    return nullptr;
  return static_cast<DeviceHandle*>(data);
}

void DeviceHandle::open(const Napi::CallbackInfo& info) {
  if (!info[0].IsString())
    throw Error(ErrorCode::kArgument,
                "device must be cpu, cuda, cuda:<n> or auto, got " + shown(info.Env(), info[0]));
  const double threads = info[1].IsUndefined() ? 0
                         : info[1].IsNumber()  ? info[1].As<Napi::Number>().DoubleValue()
                                               : NAN;
  require(
      info[1].IsUndefined() || (threads >= 1 && threads <= 1024 && threads == std::floor(threads)),
      ErrorCode::kArgument, "threads must be a whole number from 1 to 1024", threads);
  device_ = Device::open(info[0].As<Napi::String>().Utf8Value(), int(threads));
  auto& devices = Addon::of(info.Env()).devices;
  std::erase_if(devices, [](auto& d) { return d.expired(); });
  devices.insert(device_);
  const bool has_threads = device_->kind() == Kind::kCpu;
  reported_bytes_ =
      kBytesOfDevice + (has_threads ? device_->device_info().units * kBytesOfThread : 0);
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reported_bytes_);
}

void DeviceHandle::Finalize(Napi::BasicEnv env) {
  int64_t now;
  if (reported_bytes_) napi_adjust_external_memory(env, -reported_bytes_, &now);
}

const DeviceHandle& DeviceHandle::handle_of(napi_env env, napi_value value) {
  auto* handle = unwrap(env, value);
  if (!handle)
    throw Error(ErrorCode::kArgument, "device must be a Device, got " + shown(env, value));
  if (!handle->device_ || handle->device_->closed())
    throw Error(ErrorCode::kDisposed, "the device is closed");
  return *handle;
}

const DeviceHandle* DeviceHandle::open_at(const Addon& addon, double place) {
  const auto* handle = static_cast<const DeviceHandle*>(addon.device_handles->at(place));
  return handle && handle->device_ && !handle->device_->closed() ? handle : nullptr;
}

Napi::Value DeviceHandle::give_up(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "giveUp", [&] {
    auto* handle = unwrap(info.Env(), info[0]);
    if (!handle || !handle->given_up_)
      throw Error(ErrorCode::kArgument,
                  "lane must be one of a device, got " + shown(info.Env(), info[0]));
    *handle->given_up_ = true;
    return info.Env().Undefined();
  });
}

Napi::Value DeviceHandle::info(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "info", [&] {
    const auto& device = from(info.Env(), info[0]);
    const DeviceInfo i = device->device_info();
    const MemoryUse use = device->memory_use();
    auto result = Napi::Object::New(info.Env()), memory = Napi::Object::New(info.Env());
    result["kind"] = kKindNames[int(device->kind())], result["index"] = device->index();
    result["name"] = std::string(i.name), result["isa"] = std::string(i.isa),
    result["blas"] = std::string(i.blas);
    if (i.driver[0]) result["driver"] = std::string(i.driver);
    result["units"] = i.units, result["memoryBytes"] = double(i.memory_bytes);
    memory["live"] = double(use.live), memory["bytes"] = double(use.bytes),
    memory["peak"] = double(use.peak), memory["pooled"] = double(use.pooled);
    result["memory"] = memory;
    if (const auto graphs = device->graph_use()) {
      auto counts = Napi::Object::New(info.Env());
      counts["made"] = double(graphs->made), counts["launched"] = double(graphs->launched);
      if (graphs->refused[0]) counts["refused"] = std::string(graphs->refused);
      result["graphs"] = counts;
    }
    return Napi::Value(result);
  });
}

Napi::Value DeviceHandle::synchronize(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "synchronize", [&] {
    const auto& device = from(info.Env(), info[0]);
    Addon& addon = Addon::of(info.Env());
    if (addon.pending == 0 && device->synchronize_at_once()) return info.Env().Undefined();
    return addon.promise(info.Env(), completion_of(info.Env(), device),
                         [&](Done done) { device->synchronize(std::move(done)); });
  });
}

template <void (Device::*mark)() noexcept>
Napi::Value DeviceHandle::step(const Napi::CallbackInfo& info) {
  auto* handle = unwrap(info.Env(), info[0]);
  if (handle && handle->device_) (handle->device_.get()->*mark)();
  return info.Env().Undefined();
}

Napi::Value DeviceHandle::last(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "last", [&] {
    return Napi::Number::New(info.Env(), double(from(info.Env(), info[0])->last()));
  });
}

Napi::Value DeviceHandle::flow(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "flow", [&] {
    const auto& device = from(info.Env(), info[0]);
    if (device->is_short()) return info.Env().Undefined();
    return Addon::of(info.Env())
        .promise(info.Env(), completion_of(info.Env(), device), [&](Done done) {
          if (device->is_short_or([done] { done(std::nullopt); })) done(std::nullopt);
        });
  });
}

Napi::Value DeviceHandle::close(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "close", [&] {
    const auto& device = from(info.Env(), info[0]);
    return Addon::of(info.Env())
        .promise(info.Env(), completion_of(info.Env(), device),
                 [&](Done done) { device->close([done] { done(std::nullopt); }); });
  });
}

}  // namespace orthokit
