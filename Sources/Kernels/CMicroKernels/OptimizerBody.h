// The updates of parameters, for one instruction set.

static void NAME(adamw_step)(const float *p, const float *g, const float *m, const float *v,
                          const float *hyper, float *p_new, float *m_new, float *v_new,
                          long count) {
  const float keep = hyper[0], rest1 = hyper[1], beta2 = hyper[2], rest2 = hyper[3];
  const float rate = hyper[4], correction2 = hyper[5], epsilon = hyper[6], scale = hyper[7];
  ELEMENTWISE
  for (long i = 0; i < count; ++i) {
    const float grad = scale * g[i];
    const float mean = m[i] + rest1 * (grad - m[i]);
    const float square = beta2 * v[i] + rest2 * grad * grad;
    const float next = keep * p[i] - rate * mean / (SQUARE_ROOT(square) / correction2 + epsilon);
    p_new[i] = next;
    m_new[i] = mean;
    v_new[i] = square;
  }
}

static void NAME(sgd_step)(const float *p, const float *g, const float *m, const float *hyper,
                        float *p_new, float *m_new, long count) {
  const float rate = hyper[0], momentum = hyper[1], decay = hyper[2], scale = hyper[3];
  ELEMENTWISE
  for (long i = 0; i < count; ++i) {
    const float velocity = momentum * m[i] + (scale * g[i] + decay * p[i]);
    p_new[i] = p[i] - rate * velocity;
    m_new[i] = velocity;
  }
}

static void NAME(axpby)(float alpha, const float *x, float beta, const float *y, float *y_new,
                     long count) {
  ELEMENTWISE
  for (long i = 0; i < count; ++i) y_new[i] = alpha * x[i] + beta * y[i];
}
