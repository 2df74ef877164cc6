#ifndef RESTORMER_MICRO_KERNELS_H
#define RESTORMER_MICRO_KERNELS_H

#include "Ceilings.h"
#include "Depthwise.h"
#include "GEMM.h"
#include "InstructionSet.h"
#include "Lane.h"
#include "LayerNorm.h"
#include "Optimizer.h"
#include "Pointwise.h"
#include "Workers.h"

#endif
