#include "Optimizer.h"

#include "Pick.h"

// Unlike sqrtf it never sets errno, so the loop around it can become vectors.
#define SQUARE_ROOT __builtin_elementwise_sqrt

// Element i depends on element i alone, so vectors are safe although outputs may lie on inputs.
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

#define BODY "OptimizerBody.h"
#include "EachInstructionSet.h"

void restormer_adamw_step(
    const float *p, const float *g, const float *m, const float *v, const float *hyper, float *p_new, float *m_new,
    float *v_new, long count) {
  PICK(adamw_step)(p, g, m, v, hyper, p_new, m_new, v_new, count);
}

void restormer_sgd_step(
    const float *p, const float *g, const float *m, const float *hyper, float *p_new, float *m_new, long count) {
  PICK(sgd_step)(p, g, m, hyper, p_new, m_new, count);
}

void restormer_axpby(float alpha, const float *x, float beta, const float *y, float *y_new, long count) {
  PICK(axpby)(alpha, x, beta, y, y_new, count);
}
