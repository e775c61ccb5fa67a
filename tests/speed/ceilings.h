// What a CUDA device can do at best, to hold our own speed against. Negative: CUDA failed.
#pragma once

#include <cstddef>

double read_gb_per_second(size_t bytes); // memory read once, from one end to the other
double empty_kernel_us(bool overlapping); // one of a long chain of kernels in a graph that do nothing
