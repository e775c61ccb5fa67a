// Compiled with -fno-exceptions -fno-rtti.
#include "returning_mode.h"

const char* use_without_exceptions(const char* folder);
const char* use_without_exceptions(const char* folder) { return use_results(folder); }
