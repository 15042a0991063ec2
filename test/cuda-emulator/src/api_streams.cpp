// Streams, events, host functions, capture.
#include <algorithm>

#include "api.h"
#include "device_memory.h"

using namespace cudaemu;

cudaError_t cudaemu::refuse_in_capture(const char*) {
  return invalidate_captures() ? answer(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

namespace {
// Whatever the mode of the capture.
cudaError_t refuse_of_captured(Stream* stream) {
  if (!stream->capture) return cudaSuccess;
  stream->capture->invalid = true;
  return answer(cudaErrorStreamCaptureUnsupported);
}
}  // namespace

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  ORTHOKIT_EMULATOR_ENTER("cudaStreamCreateWithFlags");
  *stream = new Stream{current_device()};
  (*stream)->is_blocking = !(flags & cudaStreamNonBlocking);
  add_stream(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock;
  const cudaError_t entered = enter("cudaStreamDestroy");
  if (!stream || !is_stream(stream)) return leave(entered, cudaErrorInvalidResourceHandle);
  drain(stream);
  remove_stream(stream);
  delete stream;
  return leave(entered, cudaSuccess);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaStreamSynchronize");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  if (const cudaError_t refused = refuse_of_captured(stream_of(stream))) return refused;
  if (stream)
    drain(stream);
  else
    drain_all();
  return after_waiting();
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaStreamQuery");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  // A loop that asks must come to an end: every question moves something.
  Stream* asked = stream_of(stream);
  if (const cudaError_t refused = refuse_of_captured(asked)) return refused;
  if (!step(asked)) step_any();
  return asked->queue.empty() && !asked->busy ? after_waiting() : cudaErrorNotReady;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  ORTHOKIT_EMULATOR_ENTER("cudaLaunchHostFunc");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  return push(stream, {OperationKind::kHost, [=] { function(data); }});
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  ORTHOKIT_EMULATOR_ENTER("cudaEventCreateWithFlags");
  *event = new Event{current_device()};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock;
  const cudaError_t entered = enter("cudaEventDestroy");
  if (!event) return leave(entered, cudaErrorInvalidResourceHandle);
  // Queued waits still look at it; CUDA keeps it for them.
  drain_all();
  delete event;
  return leave(entered, cudaSuccess);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaEventRecord");
  if (!event || !is_stream(stream) || event->device != stream_of(stream)->device)
    return answer(cudaErrorInvalidResourceHandle);
  event->capture = stream_of(stream)->capture;
  if (event->capture) return cudaSuccess;
  return push(stream, {OperationKind::kRecord, {}, event, ++event->recorded});
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  ORTHOKIT_EMULATOR_ENTER("cudaStreamWaitEvent");
  if (!event || !is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  Stream* waiting = stream_of(stream);
  if (event->capture) {  // the stream joins the capture, whose operations are in order anyway
    if (!waiting->capture) waiting->capture = event->capture;
    return cudaSuccess;
  }
  if (event->recorded == 0) return cudaSuccess;
  return push(stream, {OperationKind::kWait, {}, event, event->recorded});
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  ORTHOKIT_EMULATOR_ENTER("cudaEventSynchronize");
  if (!event) return answer(cudaErrorInvalidResourceHandle);
  if (event->capture) return answer(cudaErrorCapturedEvent);
  drain_until([event] { return event->completed >= event->recorded; });
  return after_waiting();
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  ORTHOKIT_EMULATOR_ENTER("cudaEventQuery");
  if (!event) return answer(cudaErrorInvalidResourceHandle);
  if (event->capture) return answer(cudaErrorCapturedEvent);
  if (event->completed < event->recorded) step_any();
  return event->completed >= event->recorded ? after_waiting() : cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  ORTHOKIT_EMULATOR_ENTER("cudaEventElapsedTime");
  if (!from || !to || !from->recorded || !to->recorded)
    return answer(cudaErrorInvalidResourceHandle);
  if (from->completed < from->recorded || to->completed < to->recorded) return cudaErrorNotReady;
  *milliseconds = float(to->milliseconds - from->milliseconds);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  ORTHOKIT_EMULATOR_ENTER("cudaStreamBeginCapture");
  if (!stream || !is_stream(stream) || stream->capture)
    return answer(cudaErrorStreamCaptureUnsupported);
  begin_capture(stream, mode);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const Lock lock;
  const cudaError_t entered = enter("cudaStreamEndCapture");
  if (!stream || !is_stream(stream) || !stream->capture || stream->capture->origin != stream)
    return leave(entered, cudaErrorStreamCaptureUnmatched);
  Graph* captured = stream->capture;
  if (captured->mode != cudaStreamCaptureModeRelaxed &&
      captured->thread != std::this_thread::get_id()) {
    captured->invalid = true;
    return leave(entered, cudaErrorStreamCaptureWrongThread);
  }
  end_capture(captured);
  if (entered != cudaSuccess || captured->invalid) {
    delete captured;
    return leave(entered, cudaErrorStreamCaptureInvalidated);
  }
  *graph = captured;
  note_graph(captured);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  ORTHOKIT_EMULATOR_ENTER("cudaStreamIsCapturing");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  const Graph* capture = stream_of(stream)->capture;
  *status = !capture           ? cudaStreamCaptureStatusNone
            : capture->invalid ? cudaStreamCaptureStatusInvalidated
                               : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
