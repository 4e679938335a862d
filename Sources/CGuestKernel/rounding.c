// The rounding functions of libm that the compiler emits calls to on a processor without SSE4.1: Dictionary and Set size
// themselves with ceil. In C because Swift's own rounding compiles to these very calls.
//
// Compiled for the freestanding image only; the hosted build has libm's.
#if !__STDC_HOSTED__

#include <stdint.h>

// From here up every double is a whole number (IEEE 754: 52 bits of fraction). Negated, this lets NaN through as well.
static const double all_whole = 4503599627370496.0;

static int is_whole(double value) { return !(value > -all_whole && value < all_whole); }

double trunc(double value) {
  if (is_whole(value)) return value;
  // copysign, for the zeros of negative numbers.
  return __builtin_copysign((double)(int64_t)value, value);
}

double floor(double value) {
  double whole = trunc(value);
  return whole > value ? whole - 1 : whole;
}

double ceil(double value) {
  double whole = trunc(value);
  return whole < value ? whole + 1 : whole;
}

#endif
