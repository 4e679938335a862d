// Neither demangler is fit for hostile names, and no bound on the length of a name makes it so: "_T0Rvd__" aborts
// Swift's printer, back references double the work every four bytes (200 bytes of name, Swift or C++, keep a processor
// busy for years or fill the memory), and some C++ names send libstdc++ 12 into an endless loop. So a name is demangled
// in a child process with little time: whatever happens there costs no more than the readable form of that name.

#include "include/CDemangle.h"

#include "Demanglers.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

/// The longest name that is looked at. The demanglers recurse as deep as a name nests, and a longer name only reaches
/// the end of the stack sooner; real names stay below 1 KiB.
constexpr size_t maxNameLength = 4096;

/// The processor time that one name gets, in microseconds. Real names take 10. It bounds the memory too, at what can be
/// touched in that time: some tens of megabytes.
constexpr suseconds_t maxProcessorTime = 20'000;

/// C0 controls and DEL.
bool isControl(char byte) { return (byte >= 0 && byte < 0x20) || byte == 0x7f; }

bool isContinuation(char byte) { return (byte & 0xc0) == 0x80; }

/// Whether a UTF-8 encoded C1 control (U+0080 to U+009F) is at `text`: terminals take U+009B for ESC [.
bool isC1Control(const char *text) {
  return static_cast<unsigned char>(text[0]) == 0xc2 && static_cast<unsigned char>(text[1]) >= 0x80 &&
         static_cast<unsigned char>(text[1]) < 0xa0;
}

bool hasPrefix(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

bool isSwiftName(const char *name) {
  return hasPrefix(name, "$s") || hasPrefix(name, "$S") || hasPrefix(name, "$e") || hasPrefix(name, "_T0");
}

bool isCxxName(const char *name) { return hasPrefix(name, "_Z"); }

/// What is left of `length` bytes of text that may end within a character.
size_t lengthOfWholeCharacters(const char *text, size_t length) {
  size_t start = length;
  while (start > 0 && isContinuation(text[start - 1]))
    start -= 1;
  if (start == 0)
    return 0;
  start -= 1;
  auto lead = static_cast<unsigned char>(text[start]);
  size_t wanted = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return length - start < wanted ? start : length;
}

bool writeAll(int descriptor, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes += written;
    count -= static_cast<size_t>(written);
  }
  return true;
}

size_t readAll(int descriptor, char *bytes, size_t capacity) {
  size_t total = 0;
  while (total < capacity) {
    ssize_t count = read(descriptor, bytes + total, capacity - total);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      break;
    total += static_cast<size_t>(count);
  }
  return total;
}

/// Makes this process, a child about to demangle, die silently and soon of whatever goes wrong.
void prepareToFail() {
  // The parent's handlers would report a crash of the parent.
  for (int number = 1; number < NSIG; number += 1)
    signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_DUMPABLE, 0);
  close(STDERR_FILENO);
  itimerval deadline{};
  deadline.it_value.tv_usec = maxProcessorTime;
  setitimer(ITIMER_PROF, &deadline, nullptr);
}

[[noreturn]] void demangleAndExit(const char *name, size_t length, char *output, size_t capacity, int result) {
  prepareToFail();
  size_t count = isSwiftName(name) ? needletail::demangleSwift(name, length, output, capacity)
                                   : needletail::demangleCxx(name, output, capacity);
  _exit(writeAll(result, output, count) ? 0 : 1);
}

/// Demangles in a child process. Returns the number of bytes written to `output`, 0 on any failure.
size_t demangleInChild(const char *name, size_t length, char *output, size_t capacity) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return 0;
  pid_t child = fork();
  if (child == 0)
    demangleAndExit(name, length, output, capacity, ends[1]);
  close(ends[1]);
  size_t count = child < 0 ? 0 : readAll(ends[0], output, capacity);
  close(ends[0]);
  int status = 0;
  pid_t ended = -1;
  if (child > 0)
    do
      ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
  return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? count : 0;
}

} // namespace

size_t needletail_demangle(const char *mangled, size_t length, char *output, size_t capacity) {
  if (capacity == 0)
    return 0;
  output[0] = 0;
  if (length > maxNameLength || capacity == 1)
    return 0;
  char name[maxNameLength + 1];
  memcpy(name, mangled, length);
  name[length] = 0;
  // No name has controls but Swift's symbolic references, which make sense in a loaded image only.
  for (size_t index = 0; index < length; index += 1)
    if (isControl(name[index]))
      return 0;
  if (!isSwiftName(name) && !isCxxName(name))
    return 0;

  size_t written = demangleInChild(name, length, output, capacity - 1);
  if (written == capacity - 1)
    written = lengthOfWholeCharacters(output, written);
  output[written] = 0;
  // Punycode can spell any character; what goes to a terminal must not steer it.
  for (size_t index = 0; index < written; index += 1) {
    if (isC1Control(output + index))
      output[index] = output[index + 1] = '?';
    else if (isControl(output[index]))
      output[index] = '?';
  }
  return written;
}
