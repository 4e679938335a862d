// elfutils' libelf and libdw, for Swift. One module, because libdw's headers include libelf's.
#pragma once
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <libelf.h>
