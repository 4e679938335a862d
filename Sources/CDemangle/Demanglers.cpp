// The Swift demangler comes in two ways, because a program has it in one of two:
//
// * NEEDLETAIL_STATIC_DEMANGLER: the C++ objects inside the toolchain's static libswiftCore.a. They stand alone there,
//   whereas the archive's C entry points pull the whole Swift runtime into an Embedded Swift program.
// * otherwise: the C entry point of the shared libswiftCore.so, which hides those C++ symbols.
//
// Not weak symbols: a weak reference does not pull a member out of an archive, so it would be null in a static program.

#include "Demanglers.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>

namespace {

size_t copy(const char *text, size_t length, char *output, size_t capacity) {
  size_t count = length < capacity ? length : capacity;
  memcpy(output, text, count);
  return count;
}

} // namespace

size_t needletail::demangleCxx(const char *mangled, char *output, size_t capacity) {
  int status = 0;
  char *name = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  if (!name)
    return 0;
  size_t count = copy(name, strlen(name), output, capacity);
  free(name);
  return count;
}

#if defined(NEEDLETAIL_STATIC_DEMANGLER)

#include <functional>
#include <string>

// The part of the demangler's binary interface that is needed, as Swift 6.3 has it: the toolchain ships the objects
// without their headers (include/swift/Demangling/Demangle.h and llvm/ADT/StringRef.h of the Swift sources).

namespace __swift {
inline namespace __runtime {
namespace llvm {
struct StringRef {
  const char *data = nullptr;
  size_t length = 0;
};
} // namespace llvm
} // namespace __runtime
} // namespace __swift

namespace swift {
namespace Demangle {
inline namespace __runtime {

std::string genericParameterName(uint64_t depth, uint64_t index);

/// The print options; the initial values are those of "simplified" output.
struct DemangleOptions {
  bool synthesizeSugarOnTypes = true;
  bool qualifyEntities = true;
  bool displayExtensionContexts = false;
  bool displayUnmangledSuffix = false;
  bool displayModuleNames = false;
  bool displayGenericSpecializations = false;
  bool displayProtocolConformances = false;
  bool displayWhereClauses = false;
  bool displayEntityTypes = false;
  bool displayLocalNameContexts = true;
  bool shortenPartialApply = true;
  bool shortenThunk = true;
  bool shortenValueWitness = true;
  bool shortenArchetype = true;
  bool showPrivateDiscriminators = false;
  bool showFunctionArgumentTypes = false;
  bool displayDebuggerGeneratedModule = true;
  bool displayStdlibModule = true;
  bool displayObjCModule = true;
  bool printForTypeName = false;
  bool showAsyncResumePartial = false;
  bool showClosureSignature = true;
  __swift::llvm::StringRef hidingCurrentModule;
  std::function<std::string(uint64_t, uint64_t)> genericParameterName = Demangle::genericParameterName;
};

static_assert(sizeof(DemangleOptions) == 72, "not the layout that swift_demangle of Swift 6.3 builds");

/// Returns the mangled name itself if it cannot be demangled.
std::string demangleSymbolAsString(const char *mangled, size_t length, const DemangleOptions &options);

} // namespace __runtime
} // namespace Demangle
} // namespace swift

size_t needletail::demangleSwift(const char *mangled, size_t length, char *output, size_t capacity) {
  swift::Demangle::DemangleOptions options;
  std::string name = swift::Demangle::demangleSymbolAsString(mangled, length, options);
  if (name.size() == length && memcmp(name.data(), mangled, length) == 0)
    return 0;
  return copy(name.data(), name.size(), output, capacity);
}

#else

// include/swift/Runtime/Backtrace.h of the Swift sources: what the runtime's own backtraces call. The public
// swift_demangle has no simplified form. Without a buffer of ours the result comes from malloc, NUL-terminated; it is
// the mangled name itself if that cannot be demangled.
extern "C" char *_swift_backtrace_demangle(const char *mangled, size_t length, char *output, size_t *outputSize);

size_t needletail::demangleSwift(const char *mangled, size_t length, char *output, size_t capacity) {
  char *name = _swift_backtrace_demangle(mangled, length, nullptr, nullptr);
  if (!name)
    return 0;
  size_t nameLength = strlen(name);
  size_t count = 0;
  if (nameLength != length || memcmp(name, mangled, length) != 0)
    count = copy(name, nameLength, output, capacity);
  free(name);
  return count;
}

#endif
