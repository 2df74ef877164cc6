// restormer: every OpenCL kernel of the project. OpenCL C 1.2, float32 storage and accumulation.
//
// Layout. A tensor is NCHW: a plane of h * w elements is dense, planes lie a stride apart that is a little
// larger (power-of-two planes would put all channels of a pixel into one cache set). The gap between two
// planes may be read, within 32 elements behind a plane's end, and its values mean nothing; it is never written.
//
// Names. `op` computes the operator, `op_backward_input` and `op_backward_weight` its gradients.
//
// Form. A section `// ---- Name ----` per operator of Sources/Kernels/Ops; this header, the section Common
// and one operator's section are compiled together. Each section opens with its formula and shapes.
// Tunables stand as `#ifndef NAME / #define NAME default // meaning` and are set by -D.
// A work-group size is a multiple of the grid only after rounding up: every kernel tests its bounds.

#pragma OPENCL FP_CONTRACT ON

// ---- Common ----
// Tensor arguments: base pointer, offset of the first element, plane stride, batch stride (64 bits: a
// 96-channel map of a 4K image has 0.8 G elements).

#ifndef GROUP_SIZE
#define GROUP_SIZE 64  // work-items of a group in the first dimension
#endif

#define TENSOR_IN(x) \
  __global const float *restrict x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch
#define TENSOR_OUT(x) \
  __global float *restrict x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch

// The plane of image n, channel c.
#define PLANE(x, n, c) \
  (x##_base + x##_offset + (ulong)(n) * x##_batch + (ulong)(c) * x##_plane)

// Stores the first `count` (at most 16) lanes of v at p.
inline void store_lanes(float16 v, int count, __global float *p) {
  if (count >= 16) {
    vstore16(v, 0, p);
    return;
  }
  float lanes[16];
  vstore16(v, 0, lanes);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

// ---- Add ----
// y = a + b, all [n, c, h, w]. One work-item: 16 pixels of one channel.

__kernel void add(TENSOR_IN(a), TENSOR_IN(b), TENSOR_OUT(y), int pixels) {
  const int first = 16 * (int)get_global_id(0);
  if (first >= pixels) return;
  const int c = (int)get_global_id(1), n = (int)get_global_id(2);
  const float16 sum = vload16(0, PLANE(a, n, c) + first) + vload16(0, PLANE(b, n, c) + first);
  store_lanes(sum, pixels - first, PLANE(y, n, c) + first);
}
