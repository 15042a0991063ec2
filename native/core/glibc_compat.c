// Only with ORTHOKIT_GLIBC_FLOOR: names that newer headers and the static libstdc++ ask for and
// older glibc lacks.

extern long plain_strtol(const char*, char**, int) __asm__("strtol");
extern unsigned long plain_strtoul(const char*, char**, int) __asm__("strtoul");

#define LOCAL __attribute__((visibility("hidden")))

LOCAL long __isoc23_strtol(const char* text, char** end, int base) {
  return plain_strtol(text, end, base);
}
LOCAL unsigned long __isoc23_strtoul(const char* text, char** end, int base) {
  return plain_strtoul(text, end, base);
}
// 0: reference counts stay atomic, which is right with any number of threads.
LOCAL char __libc_single_threaded = 0;
