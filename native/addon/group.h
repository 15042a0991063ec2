// The group of processes as functions for JS: one a process.
#pragma once
#include <napi.h>

namespace orthokit {

void define_group(Napi::Env, Napi::Object exports);
void halt_group(napi_env);  // of this environment

}  // namespace orthokit
