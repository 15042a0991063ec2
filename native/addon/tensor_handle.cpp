// Handles of tensors: how JS has them filled, and how operands are found by them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "addon/handles.h"
#include "addon/messages.h"

namespace orthokit {
namespace {

constexpr Require require;
// Places of things that have none, as lib/core/handle.ts writes them.
constexpr double kNoTensor = -1, kDisposed = -2;

Shape shape_from(const Napi::Value& value) {
  if (!value.IsArray())
    throw Error(ErrorCode::kArgument,
                "shape must be an array of sizes, got " + shown(value.Env(), value));
  const auto array = value.As<Napi::Array>();
  if (array.Length() > kMaxRank)
    throw Error(ErrorCode::kShape,
                "shape must have at most 5 dimensions, got " + std::to_string(array.Length()));
  Shape shape;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value size = array.Get(i);
    const double number = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : NAN;
    require(number == std::floor(number) && number >= 0 && number <= 0x1p53, ErrorCode::kShape,
            "shape must be of whole sizes, not negative", number);
    shape.push_back(int64_t(number));
  }
  return shape;
}

int64_t row_from(const Napi::Value& value) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  require(number == std::floor(number) && number >= 0 && number <= 0x1p53, ErrorCode::kArgument,
          "a row must be a whole number, not negative", number);
  return int64_t(number);
}

std::optional<Dtype> dtype_of_name(std::string_view name) {
  const auto at = std::ranges::find(kDtypeNames, name);
  return at == std::end(kDtypeNames) ? std::nullopt : std::optional(Dtype(at - kDtypeNames));
}

Dtype dtype_from(const Napi::Value& value) {
  const auto dtype =
      dtype_of_name(value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string());
  if (!dtype)
    throw Error(ErrorCode::kDtype,
                "dtype must be f32, f64, f16, bf16, i32 or u8, got " + shown(value.Env(), value));
  return *dtype;
}

// Over memory of another process. Of the host: [path, link, size, offset, length, whether unsealed
// memory is taken]; of a GPU: [handle, device, size, offset].
Tensor attached(Device& device, const Shape& shape, Dtype dtype, const Napi::Array& list) {
  const auto text = [&](uint32_t i) { return list.Get(i).As<Napi::String>().Utf8Value(); };
  const auto number = [&](uint32_t i) {
    return size_t(list.Get(i).As<Napi::Number>().DoubleValue());
  };
  const Napi::Value first = list.Get(uint32_t(0));
  if (!first.IsTypedArray())
    return device.over(shape, dtype, [&] {
      return SharedMemory::attach(
          {text(0), text(1), number(2), number(3), number(4), list.Get(5).ToBoolean().Value()});
    });
  SharedName name{};
  const auto handle = first.As<Napi::Uint8Array>();
  require(handle.ByteLength() == sizeof name.handle, ErrorCode::kArgument, "a handle has 64 bytes",
          double(handle.ByteLength()));
  std::memcpy(name.handle, handle.Data(), sizeof name.handle);
  std::snprintf(name.device, sizeof name.device, "%s", text(1).c_str());
  name.bytes = int64_t(number(2));
  return device.attached(shape, dtype, name, number(3));
}

}  // namespace

Napi::Function TensorHandle::define(Napi::Env env, Napi::Object exports) {
  exports["write"] = Napi::Function::New<&TensorHandle::write>(env);
  exports["give"] = Napi::Function::New<&TensorHandle::give>(env);
  exports["lendArray"] = Napi::Function::New<&TensorHandle::lend_array>(env);
  exports["read"] = Napi::Function::New<&TensorHandle::read>(env);
  exports["look"] = Napi::Function::New<&TensorHandle::look>(env);
  exports["readNow"] = Napi::Function::New<&TensorHandle::read_now>(env);
  exports["fill"] = Napi::Function::New<&TensorHandle::fill>(env);
  exports["release"] = Napi::Function::New<&TensorHandle::release>(env);
  exports["setPlaceOf"] = Napi::Function::New<&TensorHandle::set_place_of>(env);
  exports["share"] = Napi::Function::New<&TensorHandle::share>(env);
  return DefineClass(env, "Tensor", {});
}

TensorHandle::TensorHandle(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      all_bytes_(Addon::of(info.Env()).tensor_bytes),
      handles_(Addon::of(info.Env()).tensors),
      env_(info.Env()) {
  guard(info.Env(), "Tensor", [&] {
    place_ = handles_->insert(
        this);  // a constructor that throws has no destructor: nothing after this does
    Addon::of(info.Env()).tell(place_);
  });
}

void TensorHandle::hold(std::shared_ptr<Device> device, Tensor tensor) {
  release();
  tensor_ = std::move(tensor);
  device_ = std::move(device);
  held_bytes_ = int64_t(tensor_.bytes());
  all_bytes_->add(env_, held_bytes_);
}

template <class Make>
void TensorHandle::hold_part_of(TensorHandle& whole, Make&& make) {
  Tensor tensor = make(whole.tensor_);
  if (!whole.sharing_) whole.sharing_ = std::make_shared<char>();
  const auto device = whole.device_;
  const auto moving = whole.moving_;
  const auto sharing = whole.sharing_;
  release();
  tensor_ = std::move(tensor), device_ = device, moving_ = moving, sharing_ = sharing;
}

Napi::Value TensorHandle::fill(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "Tensor", [&] {
    Addon& addon = Addon::of(info.Env());
    if (info.Length() == 0) return Napi::Boolean::New(info.Env(), fill_from_sheet(addon));
    void* data = nullptr;
    if (napi_unwrap(info.Env(), info[0], &data) != napi_ok || !addon.tensors->contains(data))
      throw Error(ErrorCode::kArgument,
                  "handle must be one of a tensor, got " + shown(info.Env(), info[0]));
    auto& handle = *static_cast<TensorHandle*>(data);
    if (place_of(info.Env(), info[1]) != kNoTensor) {
      TensorHandle& whole = handle_of(info.Env(), info[1], "tensor");
      handle.hold_part_of(whole, [&](const Tensor& tensor) {
        return info[2].IsNumber() ? tensor.rows(row_from(info[2]), row_from(info[3]))
                                  : tensor.reshaped(shape_from(info[2]));
      });
    } else {
      const auto& device = DeviceHandle::from(info.Env(), info[1]);
      const Shape shape = shape_from(info[2]);
      const Dtype dtype = dtype_from(info[3]);
      handle.hold(device, info[4].IsArray()
                              ? attached(*device, shape, dtype, info[4].As<Napi::Array>())
                              : device->empty(shape, dtype));
    }
    return Napi::Boolean::New(info.Env(), true);
  });
}

// As lib/core/handle.ts writes it: the place of the handle, the way to fill it, and the place of
// the device or the tensor that it is of; of rows their range, else the dtype and the shape.
bool TensorHandle::fill_from_sheet(Addon& addon) {
  enum Way { kMemory, kReshaped, kRows };
  const double* numbers = addon.sheet.numbers;
  TensorHandle* handle = numbers ? at(addon, numbers[0]) : nullptr;
  if (!handle) return false;
  const auto is_whole = [](double x) { return x == std::floor(x) && x >= 0 && x <= 0x1p53; };
  const double way = numbers[1];
  TensorHandle* whole = way == kMemory ? nullptr : usable_handle_at(addon, numbers[2]);
  if (way == kRows) {
    if (!whole || !is_whole(numbers[3]) || !is_whole(numbers[4])) return false;
    handle->hold_part_of(*whole, [&](const Tensor& tensor) {
      return tensor.rows(int64_t(numbers[3]), int64_t(numbers[4]));
    });
    return true;
  }
  if (!(numbers[4] >= 0 && numbers[4] <= kMaxRank)) return false;
  Shape shape;
  for (int i = 0; i < int(numbers[4]); ++i) {
    if (!is_whole(numbers[5 + i])) return false;
    shape.push_back(int64_t(numbers[5 + i]));
  }
  if (way == kReshaped) {
    if (!whole) return false;
    handle->hold_part_of(*whole, [&](const Tensor& tensor) { return tensor.reshaped(shape); });
    return true;
  }
  const DeviceHandle* device = DeviceHandle::open_at(addon, numbers[2]);
  const std::string* word = addon.sheet.word(numbers[3]);
  const auto dtype = word ? dtype_of_name(*word) : std::nullopt;
  if (!device || !dtype) return false;
  handle->hold(device->device(), device->device()->empty(shape, *dtype));
  return true;
}

Napi::Value TensorHandle::release(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  ++addon.disposals;
  if (addon.sheet.numbers)
    if (TensorHandle* handle = at(addon, addon.sheet.numbers[0])) handle->release();
  return {};
}

Napi::Value TensorHandle::set_place_of(const Napi::CallbackInfo& info) {
  auto& function = Addon::of(info.Env()).place_of;
  const Napi::Value before = function.IsEmpty() ? info.Env().Undefined() : function.Value();
  function = Napi::Persistent(info[0].As<Napi::Function>());
  return before;
}

double TensorHandle::place_of(napi_env env, napi_value value) {
  const auto& function = Addon::of(env).place_of;
  if (function.IsEmpty()) return kNoTensor;
  return function.Value().Call({value}).As<Napi::Number>().DoubleValue();
}

TensorHandle* TensorHandle::at(const Addon& addon, double place) {
  return static_cast<TensorHandle*>(addon.tensors->at(place));
}

TensorHandle& TensorHandle::handle_of(napi_env env, napi_value value, const char* name) {
  const double place = place_of(env, value);
  auto* handle = at(Addon::of(env), place);
  if (!handle && place != kDisposed)
    throw Error(ErrorCode::kArgument,
                std::string(name) + " must be a Tensor, got " + shown(env, value));
  if (!handle || !handle->device_)
    throw Error(ErrorCode::kDisposed, std::string(name) + " has been disposed");
  if (handle->device_->closed())
    throw Error(ErrorCode::kDisposed, std::string(name) + " belongs to a closed device");
  handle->settle();
  return *handle;
}

const Tensor& TensorHandle::from(napi_env env, napi_value value, const char* name) {
  return handle_of(env, value, name).tensor_;
}

std::shared_ptr<Loan> TensorHandle::lend(napi_env env, napi_value value, const char* name) {
  return handle_of(env, value, name).device_->lend();
}

TensorHandle* TensorHandle::usable_handle_at(const Addon& addon, double place) {
  auto* handle = at(addon, place);
  if (!handle || !handle->device_ || handle->device_->closed()) return nullptr;
  handle->settle();
  return handle;
}

const Tensor* TensorHandle::usable_at(const Addon& addon, double place) {
  const TensorHandle* handle = usable_handle_at(addon, place);
  return handle ? &handle->tensor_ : nullptr;
}

void TensorHandle::settle() {
  if (!moving_ || !*moving_->failed()) return;
  tensor_ = Moving::back(moving_, tensor_);
  moving_.reset();
}

void TensorHandle::release() {
  if (!device_) return;
  all_bytes_->add(env_, -std::exchange(held_bytes_, 0));  // the next tensor may have none
  tensor_ = {};
  moving_.reset();
  sharing_.reset();
  device_.reset();
}

}  // namespace orthokit
