#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>

int main(int count, char** arguments) {
  setenv("ORTHOKIT_CPU", "portable", 1);  // the variant that the tests' own kernels register for
  doctest::Context context(count, arguments);
  return context.run();
}
