// Elements of tensors from and to arrays of JS, and to other processes.
#include <algorithm>
#include <cstring>

#include "addon/handles.h"
#include "addon/messages.h"

namespace orthokit {
namespace {

constexpr napi_typedarray_type kArrays[] = {napi_float32_array, napi_float64_array,
                                            napi_uint16_array,  napi_uint16_array,
                                            napi_int32_array,   napi_uint8_array};

}  // namespace

void* TensorHandle::data_of(Napi::Value array, const View& view) {
  napi_typedarray_type type;
  size_t length = 0, offset;
  void* data = nullptr;
  napi_value buffer;
  if (napi_get_typedarray_info(array.Env(), array, &type, &length, &data, &buffer, &offset) !=
      napi_ok)
    throw Error(ErrorCode::kArgument,
                "data must be a typed array, got " + shown(array.Env(), array));
  if (type != kArrays[int(view.dtype)])
    throw Error(ErrorCode::kDtype, std::string("data must be the array of ") +
                                       kDtypeNames[int(view.dtype)] + ", got another");
  Require()(int64_t(length) == view.size(), ErrorCode::kShape, "data must fill the tensor",
            double(length));
  return data;
}

Napi::Value TensorHandle::write(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "write", [&] {
    const TensorHandle& handle = handle_of(info.Env(), info[0], "tensor");
    handle.device_->write(handle.tensor_, data_of(info[1], handle.tensor_.view()));
    return info.Env().Undefined();
  });
}

Napi::Value TensorHandle::give(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "write", [&] {
    const TensorHandle& handle = handle_of(info.Env(), info[0], "tensor");
    const void* data = data_of(info[1], handle.tensor_.view());
    std::unique_ptr<Completion> c(new Completion{{}, {}, {}, {}, {}});
    c->array = Napi::Persistent(info[1].As<Napi::Object>());
    handle.device_->write(handle.tensor_, data, Addon::of(info.Env()).kept(std::move(c)));
    return info.Env().Undefined();
  });
}

// Like give(), and a promise: once it resolves, the array is the caller's again.
Napi::Value TensorHandle::lend_array(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "write", [&] {
    const TensorHandle& handle = handle_of(info.Env(), info[0], "tensor");
    const Tensor& t = handle.tensor_;
    const void* data = data_of(info[1], t.view());
    auto c = completion_of(info.Env(), handle.device_);
    Completion& pending = *c;
    const auto promise = Addon::of(info.Env()).promise(info.Env(), std::move(c), [&](Done done) {
      // The owner goes with the write, whether that runs, is skipped or dropped.
      struct Owner {
        Done done;
        bool is_queued = false;
        explicit Owner(Done d) : done(std::move(d)) {}
        ~Owner() {
          if (is_queued) done(std::nullopt);
        }
      };
      const auto owner = std::make_shared<Owner>(std::move(done));
      handle.device_->write(t, data, owner);
      owner->is_queued = true;
    });
    // It completes on this thread, so not before here.
    pending.array = Napi::Persistent(info[1].As<Napi::Object>());
    return promise;
  });
}

// The array comes from JS, where memory that cannot be had is an exception; N-API ends the process.
// Returns a promise of it, or the array itself where it has been filled at once.
Napi::Value TensorHandle::read(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "read", [&] {
    const TensorHandle& handle = handle_of(info.Env(), info[0], "tensor");
    const Tensor& t = handle.tensor_;
    void* data = data_of(info[1], t.view());
    Addon& addon = Addon::of(info.Env());
    // Promises that wait are settled first.
    if (addon.pending == 0 && handle.device_->read_at_once(t, data)) return info[1];
    auto c = completion_of(info.Env(), handle.device_, t);
    Completion& pending = *c;
    const auto promise = addon.promise(info.Env(), std::move(c), [&](Done done) {
      handle.device_->read(t, data, std::move(done));
    });
    // It completes on this thread, so not before here; a read that was refused leaves no reference.
    pending.array = Napi::Persistent(info[1].As<Napi::Object>());
    return promise;
  });
}

Napi::Value TensorHandle::look(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "read", [&] {
    const TensorHandle& handle = handle_of(info.Env(), info[0], "tensor");
    void* data = data_of(info[1], handle.tensor_.view());
    const auto ticket = Ticket(info[2].As<Napi::Number>().Int64Value());
    return Napi::Boolean::New(info.Env(),
                              handle.device_->read_in_passing(handle.tensor_, data, ticket));
  });
}

Napi::Value TensorHandle::read_now(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "read", [&] {
    if (!info[0].IsArray() || !info[1].IsArray())
      throw Error(ErrorCode::kArgument, "tensors and data must be lists, got something else");
    const auto tensors = info[0].As<Napi::Array>(), arrays = info[1].As<Napi::Array>();
    using Result = Reply<std::optional<Error>>;
    struct Reading {
      std::shared_ptr<Device> device;
      Tensor tensor;
      void* data;
      std::shared_ptr<Result> result;
    };
    // All are looked at before one is queued.
    std::vector<Reading> readings;
    for (uint32_t i = 0; i < tensors.Length(); ++i) {
      const TensorHandle& handle = handle_of(info.Env(), tensors.Get(i), "tensor");
      void* data = data_of(arrays.Get(i), handle.tensor_.view());
      readings.push_back({handle.device_, handle.tensor_, data, std::make_shared<Result>()});
    }
    std::optional<Error> failure;
    size_t queued = 0;
    try {
      for (const Reading& r : readings) {
        r.device->read(r.tensor, r.data,
                       [sender = std::make_shared<Result::Sender>(r.result)](
                           std::optional<Error> error) { sender->send(std::move(error)); });
        ++queued;
      }
    } catch (const Error& e) {
      failure = e;
    }
    // However it ends, nothing that is queued writes to an array later.
    for (size_t i = 0; i < queued; ++i) {
      try {
        auto error = readings[i].result->await();
        if (!error) continue;
        readings[i].device->reported(*error);
        if (!failure) failure = std::move(error);
      } catch (const Error& e) {
        if (!failure) failure = e;
      }
    }
    if (failure) throw *failure;
    return info.Env().Undefined();
  });
}

// Work that was queued before finds the elements where they are, later work where they will be. If
// they do not get there, that is skipped, and the tensor is where it was.
Napi::Value TensorHandle::share(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "share", [&]() -> Napi::Value {
    TensorHandle& handle = handle_of(info.Env(), info[0], "tensor");
    if (handle.sharing_ && handle.sharing_.use_count() > 1)
      throw Error(ErrorCode::kState,
                  "tensor must not share its bytes with others of rows or reshape(), got some that "
                  "are not disposed");
    const View& view = handle.tensor_.view();
    auto result = Napi::Object::New(info.Env());
    Tensor shared;
    if (handle.device_->names_memory()) {
      SharedName name;
      shared = handle.device_->shared(shape_of(view), view.dtype, name);
      auto bytes = Napi::Uint8Array::New(info.Env(), sizeof name.handle);
      std::memcpy(bytes.Data(), name.handle, sizeof name.handle);
      result["handle"] = bytes, result["device"] = std::string(name.device);
      result["bytes"] = double(name.bytes);
    } else {
      shared = handle.device_->over(shape_of(view), view.dtype, [&] {
        SharedMemory memory = SharedMemory::create(handle.tensor_.bytes());
        result["name"] = memory.name(), result["fd"] = memory.file();
        result["bytes"] = double(std::max<size_t>(memory.bytes(), 1));
        return memory;
      });
    }
    const auto moving = std::make_shared<Moving>(handle.tensor_, std::move(shared));
    auto completion = completion_of(info.Env(), handle.device_);
    completion->moving = moving;
    result["done"] =
        Addon::of(info.Env()).promise(info.Env(), std::move(completion), [&](Done done) {
          handle.device_->move(moving->to(), moving->from(), moving->failed(), std::move(done));
        });
    handle.tensor_ = Moving::begin(moving);
    handle.moving_ = moving;
    return result;
  });
}

}  // namespace orthokit
