#ifndef RESTORMER_OPTIMIZER_H
#define RESTORMER_OPTIMIZER_H

// Elementwise updates; an output may lie exactly on the input of the same name.

/// One AdamW step; `hyper` as the section Optimizer of kernels.cl lists it.
void restormer_adamw_step(const float *p, const float *g, const float *m, const float *v,
                          const float *hyper, float *p_new, float *m_new, float *v_new,
                          long count);

/// One SGD step with momentum; `hyper` as the section Optimizer of kernels.cl lists it.
void restormer_sgd_step(const float *p, const float *g, const float *m, const float *hyper,
                        float *p_new, float *m_new, long count);

/// y_new = alpha x + beta y.
void restormer_axpby(float alpha, const float *x, float beta, const float *y, float *y_new,
                     long count);

#endif
