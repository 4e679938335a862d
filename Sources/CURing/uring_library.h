// liburing, for Swift.
#pragma once
// Before liburing asks for the declarations of an older standard, which would differ from those other modules have.
#include <features.h>
#include <liburing.h>
