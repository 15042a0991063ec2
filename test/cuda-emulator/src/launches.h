// A launch as an operation that streams and graphs can hold.
#pragma once
#include "streams.h"

namespace cudaemu {

// Takes the launch's arguments, whatever it answers.
cudaError_t operation_of(const cudaLaunchConfig_t&, const Launch&, Operation&);

int live_graphs();  // graphs and executables that were made and not destroyed

}  // namespace cudaemu
