#include "fibers.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "findings.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a call preserves, exchanges the stack pointer, restores them.
extern "C" __attribute__((visibility("hidden"))) void cudaemu_switch(void** save, void* to);
#if defined(__x86_64__)
asm(R"(
.text
.globl cudaemu_switch
.hidden cudaemu_switch
.type cudaemu_switch,@function
cudaemu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cudaemu_switch,.-cudaemu_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl cudaemu_switch
.hidden cudaemu_switch
.type cudaemu_switch,%function
cudaemu_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size cudaemu_switch,.-cudaemu_switch
)");
#else
#error "the emulator switches stacks on x86-64 and arm64 only"
#endif

namespace cudaemu {
namespace {

// The frame that cudaemu_switch would have left on a stack that it is to enter at `entry`.
void* prepared_stack(char* top, void (*entry)()) {
  auto** slot = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t(15));
#if defined(__x86_64__)
  *--slot = nullptr;  // a return address of nobody: the stack is aligned as after a call
  *--slot = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--slot = nullptr;
#else
  slot -= 20;
  std::memset(slot, 0, 160);
  slot[11] = reinterpret_cast<void*>(entry);  // x30, where `ret` goes
#endif
  return slot;
}

size_t page() { return size_t(sysconf(_SC_PAGESIZE)); }

}  // namespace

Fiber create_fiber(size_t bytes, size_t number, void (*entry)()) {
  Fiber fiber;
  fiber.bytes = (bytes + page() - 1) / page() * page();
  void* memory = mmap(nullptr, fiber.bytes + page(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) stop_process("no memory for the stack of a thread");
  mprotect(memory, page(), PROT_NONE);  // a kernel that overruns its stack faults here
  fiber.stack = static_cast<char*>(memory) + page();
  fiber.top = fiber.stack + fiber.bytes - number * 320 % 4096;
  fiber.stack_pointer = prepared_stack(fiber.top, entry);
  return fiber;
}
void restart_fiber(Fiber& fiber, void (*entry)()) {
  fiber.stack_pointer = prepared_stack(fiber.top, entry);
  fiber.sanitizer_state = nullptr;
}
void destroy_fiber(Fiber& fiber) { munmap(fiber.stack - page(), fiber.bytes + page()); }

Fiber fiber_of_this_thread() {
  Fiber fiber;
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  void* stack;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &stack, &fiber.bytes);
  pthread_attr_destroy(&attributes);
  fiber.stack = static_cast<char*>(stack);
#endif
  return fiber;
}

void switch_fiber(Fiber& from, Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.sanitizer_state, to.stack, to.bytes);
#endif
  cudaemu_switch(&from.stack_pointer, to.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.sanitizer_state, nullptr, nullptr);
#endif
}
void entered_fiber() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace cudaemu
