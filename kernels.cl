// restormer: every OpenCL kernel of the project. OpenCL C 1.2, float32 arithmetic; activations in memory as float or half.
//
// Layout. A tensor is NCHW: a plane of h * w elements is dense, planes lie a stride apart that is a little
// larger (power-of-two planes would put all channels of a pixel into one cache set). The gap between two
// planes may be read, within 64 elements behind a plane's end, and its values mean nothing; it is never written.
//
// Names. `operator`, `operator_backward`, or `_backward_input` and `_backward_weight` where the gradients are apart; what
// takes several steps has the step's name behind it (attention_gram, attention_softmax). Then the form:
//
//   (none)    a work-item has its results in registers; for all devices, or for CPU-type ones where another form stands beside
//   _tiles    a work-group passes tiles of both factors of a product through local memory; for GPUs
//   _groups   a work-group shares the channels of a pixel, or the pixels of a channel; for GPUs
//   _blocks   a work-item has a block of rows and columns of an image; for GPUs
//   _window   some rows of an image, whose neighbours lie in a ring of rows
//   _sum      behind the name of another kernel, or what the names of several share: adds up their partial sums, in order
//
// Form. A section `// ---- Name ----` per operator of Sources/Kernels/Ops; this header, the section Common
// and one operator's section are compiled together. Each section opens with its formula and shapes, with who computes what
// ("Indices"; dimension 0 runs fastest) and with the numbers it is compiled with ("Tunables").
// Every number that the program has to know too is passed by -D; KernelNumbers.swift has their values. What this file says
// of one is `#ifndef NAME / #error "NAME: meaning, such as EXAMPLE"`: the examples are what `make lint` compiles with.
// A work-group size is a multiple of the grid only after rounding up: every kernel tests its bounds.
//
// Pieces. A launch that a slow GPU would be long at is cut into several, each with a range of the work-groups, along any dimension
// but those whose extent the kernel asks for (get_num_groups, get_global_size). Kernels do so with a number as the argument, and
// helpers do not, so that LaunchPieces.swift can tell from this text.

#pragma OPENCL FP_CONTRACT ON

// ---- Common ----
// Tensor arguments: base pointer, offset of the first element, plane stride, batch stride (64 bits: a
// 96-channel map of a 4K image has 0.8 G elements).

// Helpers whose results live in registers: called, they would pass them through memory, which some compilers prefer.
#define INLINE inline __attribute__((always_inline))

#ifndef GROUP_SIZE
#error "GROUP_SIZE: work-items of a group in the first dimension, such as 64"
#endif

#ifndef CPU_DEVICE
// A piece of a launch has an offset, which the built-in function does not count: here the groups are those of the whole launch.
#define get_group_id(dimension) \
  (get_group_id(dimension) + (uint)get_global_offset(dimension) / (uint)get_local_size(dimension))
#endif

#define TENSOR_IN(x) \
  __global const float *restrict x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch
#define TENSOR_OUT(x) \
  __global float *restrict x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch

// Activations, the tensors between operators, lie in memory as float or as half: HALF_IN is defined where those that a kernel
// reads are half, HALF_OUT where those that it writes are. Parameters, sums and images are float always. A half is widened
// as it is loaded and rounded to the nearest as it is stored, so that all arithmetic is float's; what exceeds 65504 becomes
// infinite, which stays visible in all that is computed from it. None of this needs an extension.
#ifdef HALF_IN
// One load of eight bytes, of which vloada_half4, and four elements by name, become several with some compilers.
INLINE float half_of(ushort bits) { return vload_half(0, (const half *)&bits); }

INLINE float4 aligned_halves(__global const half *p) {
  const ulong bits = *(__global const ulong *)p;
  return (float4)(
      half_of((ushort)bits), half_of((ushort)(bits >> 16)), half_of((ushort)(bits >> 32)), half_of((ushort)(bits >> 48)));
}
typedef half in_t;
#define IN_IS_HALF true
#define READ(p) vload_half(0, p)
#define READ_WIDE(n, p) vload_half##n(0, p)
#define READ_ALIGNED_4(p) aligned_halves(p)
#else
typedef float in_t;
#define IN_IS_HALF false
#define READ(p) (*(p))
#define READ_WIDE(n, p) vload##n(0, p)
#define READ_ALIGNED_4(p) (*(__global const float4 *)(p))
#endif
#define WRITE_FLOAT(v, p) (*(p) = (v))
#ifdef HALF_OUT
// One store, likewise.
INLINE void put_aligned_halves(float4 v, __global half *p) {
  ushort4 bits;
  vstore_half4(v, 0, (half *)&bits);
  *(__global ushort4 *)p = bits;
}
typedef half out_t;
#define WRITE(v, p) vstore_half(v, 0, p)
#define WRITE_WIDE(n, v, p) vstore_half##n(v, 0, p)
#define WRITE_ALIGNED_4(v, p) put_aligned_halves(v, p)
#else
typedef float out_t;
#define WRITE(v, p) WRITE_FLOAT(v, p)
#define WRITE_WIDE(n, v, p) vstore##n(v, 0, p)
#define WRITE_ALIGNED_4(v, p) (*(__global float4 *)(p) = (v))
#endif
// Kernels that know float tensors alone are left out where any is half.
#if defined(HALF_IN) || defined(HALF_OUT)
#define HALF_STORAGE 1
#else
#define HALF_STORAGE 0
#endif

#define ACTIVATION_IN(x) \
  __global const in_t *restrict x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch
#define ACTIVATION_OUT(x) \
  __global out_t *restrict x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch

// The plane of image n, channel c.
#define PLANE(x, n, c) \
  (x##_base + x##_offset + (ulong)(n) * x##_batch + (ulong)(c) * x##_plane)

// Stores the first `count` (at most 16) lanes of v at p.
INLINE void store_lanes(float16 v, int count, __global out_t *p) {
  if (count >= 16) {
    WRITE_WIDE(16, v, p);
    return;
  }
  float lanes[16];
  vstore16(v, 0, lanes);
  for (int i = 0; i < count; ++i) WRITE(lanes[i], p + i);
}

#ifndef VEC
#error "VEC: elements by which elementwise kernels advance, 16 on a CPU device, else 1, such as 16"
#endif

// One element at a time lets neighbouring work-items touch neighbouring elements. LOAD_VEC is for floats, load_vec for activations.
#if VEC == 16
typedef float16 vec;
#define LOAD_VEC(p) vload16(0, p)
INLINE vec load_vec(__global const in_t *p) { return READ_WIDE(16, p); }
INLINE void store_vec(vec v, int count, __global out_t *p) { store_lanes(v, count, p); }
// The first `count` lanes of v, zero in the others.
INLINE vec keep_vec(vec v, int count) {
  const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return select((vec)(0.0f), v, lane < (int16)(count));
}
INLINE float sum_vec(vec v) {
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;
  const float2 c = b.lo + b.hi;
  return c.x + c.y;
}
#else
typedef float vec;
#define LOAD_VEC(p) (*(p))
INLINE vec load_vec(__global const in_t *p) { return READ(p); }
INLINE void store_vec(vec v, int count, __global out_t *p) {
  if (count > 0) WRITE(v, p);
}
INLINE vec keep_vec(vec v, int count) { return count > 0 ? v : 0.0f; }
INLINE float sum_vec(vec v) { return v; }
#endif

// The normal distribution function P: P(-t) = exp(-t t / 2) R(t) for t >= 0; R is a polynomial of degree 10 on
// [0, 6.5], fitted so that the error of gelu(a) = a P(a) is below 5e-7 everywhere.

#ifdef CPU_DEVICE
#define GATE_AS_INT(v) as_int16(v)
#define GATE_AS_FLOAT(v) as_float16(v)
#else
#define GATE_AS_INT(v) as_int(v)
#define GATE_AS_FLOAT(v) as_float(v)
#endif

// exp(-v v / 2): 2^k from the exponent bits, the rest from a polynomial; exactly 0 below 2^-127.
// Comparisons stand for fmin, fmax and rint, which some compilers take apart into calls per lane.
INLINE vec gate_bell(vec v) {
  const vec t = -0.72134752f * v * v;
  const vec bounded = t > (vec)(-127.0f) ? t : (vec)(-127.0f);
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const vec shifted = bounded + 12582912.0f;
  const vec f = bounded - (shifted - 12582912.0f);
  vec p = (vec)(1.3276407e-3f);
  p = p * f + 9.675541e-3f;
  p = p * f + 5.5507135e-2f;
  p = p * f + 0.2402212f;
  p = p * f + 0.69314694f;
  p = p * f + 1.0000001f;
  return p * GATE_AS_FLOAT((GATE_AS_INT(shifted) - 0x4B400000 + 127) << 23);
}

// P(v), given the bell at v.
INLINE vec gate_distribution(vec v, vec bell) {
  const vec size = fabs(v);
  const vec s = (size < (vec)(6.5f) ? size : (vec)(6.5f)) * 0.30769232f - 1.0f;
  vec r = (vec)(0.16715118f);
  r = r * s + 0.49851453f;
  r = r * s + 0.6389033f;
  r = r * s + 0.32350913f;
  r = r * s + 0.036362633f;
  r = r * s - 0.103925735f;
  r = r * s + 0.017895f;
  r = r * s - 0.06502783f;
  r = r * s + 0.081215896f;
  r = r * s - 0.09808707f;
  r = r * s + 0.113454856f;
  const vec tail = bell * r;
  return v < (vec)(0.0f) ? tail : 1.0f - tail;
}

// Tensors that may lie on the same memory: operators that update in place.
#define TENSOR_IN_SHARED(x) \
  __global const float *x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch
#define TENSOR_OUT_SHARED(x) __global float *x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch
#define ACTIVATION_IN_SHARED(x) \
  __global const in_t *x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch
#define ACTIVATION_OUT_SHARED(x) \
  __global out_t *x##_base, ulong x##_offset, ulong x##_plane, ulong x##_batch

// The sum of `value` over a work-group of at most GROUP_SIZE items, in all of them. Halves of what is left are added to each
// other: the order is fixed, and a group takes as many steps as its size has binary digits.
INLINE float group_sum(float value, __local float *shared) {
  const int item = (int)get_local_id(0);
  shared[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int left = (int)get_local_size(0); left > 1; left = (left + 1) / 2) {
    if (item < left / 2) shared[item] += shared[item + (left + 1) / 2];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float sum = shared[0];
  barrier(CLK_LOCAL_MEM_FENCE);
  return sum;
}

// The largest value of a work-group, likewise.
INLINE float group_largest(float value, __local float *shared) {
  const int item = (int)get_local_id(0);
  shared[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int left = (int)get_local_size(0); left > 1; left = (left + 1) / 2) {
    if (item < left / 2) shared[item] = fmax(shared[item], shared[item + (left + 1) / 2]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  value = shared[0];
  barrier(CLK_LOCAL_MEM_FENCE);
  return value;
}

// The sum of `count` values over a work-group, in all of its items.
INLINE float sum_of_partials(__global const float *partial, int count, __local float *shared) {
  float sum = 0.0f;
  for (int i = (int)get_local_id(0); i < count; i += (int)get_local_size(0)) sum += partial[i];
  return group_sum(sum, shared);
}

#ifndef VECTOR_WIDTH
#error "VECTOR_WIDTH: floats that a register-blocked kernel loads at once, 4, 8 or 16, such as 16"
#endif

// LOAD and STORE are for floats, READ_VECTOR and WRITE_VECTOR for activations.
#ifndef ALIGNED
#error "ALIGNED: 1 where every row that a launch reads or writes by fours starts at a multiple of four elements, such as 0"
#endif

#if VECTOR_WIDTH == 16
typedef float16 vector;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#define READ_VECTOR(p) READ_WIDE(16, p)
#define WRITE_VECTOR(v, p) WRITE_WIDE(16, v, p)
#elif VECTOR_WIDTH == 8
typedef float8 vector;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#define READ_VECTOR(p) READ_WIDE(8, p)
#define WRITE_VECTOR(v, p) WRITE_WIDE(8, v, p)
#else
typedef float4 vector;
// Through a pointer that is known to be aligned, four floats are one load; vload4 is four on some devices.
#if defined(CPU_DEVICE) || !ALIGNED
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#define READ_VECTOR(p) READ_WIDE(4, p)
#define WRITE_VECTOR(v, p) WRITE_WIDE(4, v, p)
#else
#define LOAD(p) (*(__global const float4 *)(p))
#define STORE(v, p) (*(__global float4 *)(p) = (v))
#define READ_VECTOR(p) READ_ALIGNED_4(p)
#define WRITE_VECTOR(v, p) WRITE_ALIGNED_4(v, p)
#endif
#endif

// The first `count` lanes of v, fewer than all, by `write`.
#if VECTOR_WIDTH == 4
// By name: an array that is indexed at run time would lie in memory on some devices.
#define WRITE_LANES(write, v, count, p) \
  do { \
    if (count > 0) write(v.x, p); \
    if (count > 1) write(v.y, p + 1); \
    if (count > 2) write(v.z, p + 2); \
  } while (0)
#else
#define WRITE_LANES(write, v, count, p) \
  do { \
    float lanes[VECTOR_WIDTH]; \
    STORE(v, lanes); \
    for (int i = 0; i < count; ++i) write(lanes[i], p + i); \
  } while (0)
#endif

// Stores the first `count` lanes of v at p, where activations lie.
INLINE void store_vector(vector v, int count, __global out_t *p) {
  if (count >= VECTOR_WIDTH)
    WRITE_VECTOR(v, p);
  else
    WRITE_LANES(WRITE, v, count, p);
}

// The same where floats lie.
INLINE void store_floats(vector v, int count, __global float *p) {
  if (count >= VECTOR_WIDTH)
    STORE(v, p);
  else
    WRITE_LANES(WRITE_FLOAT, v, count, p);
}

// The sum of all lanes, pairwise.
INLINE float sum_lanes(vector v) {
#if VECTOR_WIDTH == 16
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;
#elif VECTOR_WIDTH == 8
  const float4 b = v.lo + v.hi;
#else
  const float4 b = v;
#endif
  return (b.x + b.y) + (b.z + b.w);
}

#ifndef BLOCK_ROWS
#error "BLOCK_ROWS: output rows in the register block of a matrix product, such as 6"
#endif
#ifndef BLOCK_VECTORS
#error "BLOCK_VECTORS: vectors of columns in that block, more where there are 32 wide registers, such as 1"
#endif
#define BLOCK_COLUMNS (BLOCK_VECTORS * VECTOR_WIDTH)

// Rows row_begin..row_end of y[o, p] = start[o] + sum_i w[o * w_row + i * w_column] x[i, p] + scale[o] r[o, p] for
// BLOCK_COLUMNS pixels from `first` on: BLOCK_ROWS rows at a time in registers, while the columns of x stay in the
// nearest cache. start, r and scale may be null: no start, no addend, scale 1.
INLINE void product(
    __global const in_t *x, ulong x_plane, __global const float *w, int w_row, int w_column,
    __global const float *start, __global const in_t *r, ulong r_plane, __global const float *scale,
    __global out_t *y, ulong y_plane, int first, int pixels, int in_channels, int row_begin, int row_end) {
  for (int row = row_begin; row < row_end; row += BLOCK_ROWS) {
    vector sum[BLOCK_ROWS][BLOCK_VECTORS];
    __global const float *line[BLOCK_ROWS];
#pragma unroll
    for (int i = 0; i < BLOCK_ROWS; ++i) {
      // Rows beyond the end repeat the last one and are not stored.
      const int o = min(row + i, row_end - 1);
      line[i] = w + (ulong)o * w_row;
#pragma unroll
      for (int v = 0; v < BLOCK_VECTORS; ++v) sum[i][v] = (vector)(start ? start[o] : 0.0f);
    }
    __global const in_t *column = x + first;
    for (int k = 0; k < in_channels; ++k) {
      vector value[BLOCK_VECTORS];
#pragma unroll
      for (int v = 0; v < BLOCK_VECTORS; ++v) value[v] = READ_VECTOR(column + v * VECTOR_WIDTH);
#pragma unroll
      for (int i = 0; i < BLOCK_ROWS; ++i) {
        const float weight = line[i][(ulong)k * w_column];
#pragma unroll
        for (int v = 0; v < BLOCK_VECTORS; ++v) sum[i][v] = fma(value[v], (vector)(weight), sum[i][v]);
      }
      column += x_plane;
    }
#pragma unroll
    for (int i = 0; i < BLOCK_ROWS; ++i) {
      const int o = row + i;
      if (o >= row_end) break;
      const float factor = scale ? scale[o] : 1.0f;
#pragma unroll
      for (int v = 0; v < BLOCK_VECTORS; ++v) {
        const int p = first + v * VECTOR_WIDTH;
        if (p >= pixels) break;
        vector value = sum[i][v];
        if (r) value = fma(READ_VECTOR(r + (ulong)o * r_plane + p), (vector)(factor), value);
        store_vector(value, pixels - p, y + (ulong)o * y_plane + p);
      }
    }
  }
}

#ifdef CPU_DEVICE
#ifndef PANEL_VECTORS
#error "PANEL_VECTORS: vectors of channels in a transposed panel, such as 4"
#endif
#ifndef PANEL_ROWS
#error "PANEL_ROWS: rows in the register block of products with a panel, such as 6"
#endif
#ifndef PANEL_PIXELS
#error "PANEL_PIXELS: pixels of a panel, which stays in the nearest cache, such as 256"
#endif
#define PANEL_CHANNELS (PANEL_VECTORS * VECTOR_WIDTH)

#if VECTOR_WIDTH == 16
// The elements of a and b in turn: their first halves, then their second.
INLINE void interleave(vector a, vector b, vector *first, vector *second) {
  *first = (vector)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
  *second = (vector)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
}

// panel[p * PANEL_CHANNELS + i] = x[i, p] for 16 channels and 16 pixels: four rounds of interleaving transpose a square.
// Channels beyond `channels` repeat the last one.
INLINE void transpose_square(__global const in_t *x, ulong plane, int channels, float *panel) {
  vector a[16], b[16];
#pragma unroll
  for (int i = 0; i < 16; ++i) a[i] = READ_VECTOR(x + (ulong)min(i, channels - 1) * plane);
#pragma unroll
  for (int i = 0; i < 8; ++i) interleave(a[i], a[i + 8], &b[2 * i], &b[2 * i + 1]);
#pragma unroll
  for (int i = 0; i < 8; ++i) interleave(b[i], b[i + 8], &a[2 * i], &a[2 * i + 1]);
#pragma unroll
  for (int i = 0; i < 8; ++i) interleave(a[i], a[i + 8], &b[2 * i], &b[2 * i + 1]);
#pragma unroll
  for (int i = 0; i < 8; ++i) interleave(b[i], b[i + 8], &a[2 * i], &a[2 * i + 1]);
#pragma unroll
  for (int i = 0; i < 16; ++i) STORE(a[i], panel + i * PANEL_CHANNELS);
}
#else
INLINE void transpose_square(__global const in_t *x, ulong plane, int channels, float *panel) {
  for (int i = 0; i < VECTOR_WIDTH; ++i)
    for (int p = 0; p < VECTOR_WIDTH; ++p)
      panel[p * PANEL_CHANNELS + i] = READ(x + (ulong)min(i, channels - 1) * plane + p);
}
#endif

// Transposes `count` pixels of at most PANEL_CHANNELS channels of x, so that a pixel's channels lie side by side.
INLINE void transpose_panel(__global const in_t *x, ulong plane, int channels, int count, float *panel) {
  for (int i = 0; i < channels; i += VECTOR_WIDTH)
    for (int p = 0; p < count; p += VECTOR_WIDTH)
      transpose_square(x + (ulong)i * plane + p, plane, channels - i, panel + p * PANEL_CHANNELS + i);
}

// Adds the first `count` lanes of v to p.
INLINE void add_lanes(vector v, int count, __global float *p) {
  if (count >= VECTOR_WIDTH) {
    STORE(LOAD(p) + v, p);
    return;
  }
  float lanes[VECTOR_WIDTH];
  STORE(v, lanes);
  for (int i = 0; i < count; ++i) p[i] += lanes[i];
}

// sum[o * pitch + i] += sum of g[o, r, p] panel[r, p, i] over r < lines and p < count, for `rows` rows o and `width`
// columns i, PANEL_ROWS rows at a time in registers; a line starts g_line and panel_line pixels after the one before.
// Sums over a panel start at zero, so that rounding errors stay those of short sums.
INLINE void panel_product(
    __global const in_t *g, ulong g_plane, int g_line, const float *panel, int panel_line, int lines,
    int count, __global float *sum, int pitch, int rows, int width) {
  for (int row = 0; row < rows; row += PANEL_ROWS) {
    vector block[PANEL_ROWS][PANEL_VECTORS];
    __global const in_t *line[PANEL_ROWS];
#pragma unroll
    for (int i = 0; i < PANEL_ROWS; ++i) {
      // Rows beyond the end repeat the last one and are not stored.
      line[i] = g + (ulong)min(row + i, rows - 1) * g_plane;
#pragma unroll
      for (int v = 0; v < PANEL_VECTORS; ++v) block[i][v] = (vector)(0.0f);
    }
    for (int r = 0; r < lines; ++r) {
      const float *pixel = panel + r * panel_line * PANEL_CHANNELS;
      for (int p = r * g_line; p < r * g_line + count; ++p, pixel += PANEL_CHANNELS) {
        vector value[PANEL_VECTORS];
#pragma unroll
        for (int v = 0; v < PANEL_VECTORS; ++v) value[v] = LOAD(pixel + v * VECTOR_WIDTH);
#pragma unroll
        for (int i = 0; i < PANEL_ROWS; ++i) {
          const float slope = READ(line[i] + p);
#pragma unroll
          for (int v = 0; v < PANEL_VECTORS; ++v) block[i][v] = fma(value[v], (vector)(slope), block[i][v]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < PANEL_ROWS; ++i) {
      if (row + i >= rows) break;
      __global float *out = sum + (ulong)(row + i) * pitch;
#pragma unroll
      for (int v = 0; v < PANEL_VECTORS; ++v)
        add_lanes(block[i][v], width - v * VECTOR_WIDTH, out + v * VECTOR_WIDTH);
    }
  }
}

#endif

// sum of `slices` partial sums, `count` elements apart, in order.
INLINE float sum_of_slices(__global const float *partial, int slices, ulong count) {
  float total = 0.0f;
  for (int s = 0; s < slices; ++s) total += partial[s * count];
  return total;
}

#ifdef CPU_DEVICE
// Adds the squares of row[begin..end] to *sum.
INLINE void add_squares(__global const in_t *row, int begin, int end, __global float *sum) {
  vector lanes = (vector)(0.0f);
  int p = begin;
  for (; p + VECTOR_WIDTH <= end; p += VECTOR_WIDTH) {
    const vector value = READ_VECTOR(row + p);
    lanes = fma(value, value, lanes);
  }
  float run = sum_lanes(lanes);
  for (; p < end; ++p) {
    const float value = READ(row + p);
    run = fma(value, value, run);
  }
  *sum += run;
}
#endif

// Four neighbours of a row. Through a pointer that is known to be aligned this is one load; vload4 is four on some devices.
INLINE float4 four_at(__global const in_t *p) {
#if ALIGNED
  return READ_ALIGNED_4(p);
#else
  return READ_WIDE(4, p);
#endif
}

// The first `count` of four neighbours, zero in the others.
INLINE float4 keep_four(float4 v, int count) {
  return (float4)(count > 0 ? v.x : 0.0f, count > 1 ? v.y : 0.0f, count > 2 ? v.z : 0.0f, count > 3 ? v.w : 0.0f);
}

// Four neighbours of a row of an image, of which the first `count` lie in it: the others are zero, whatever is there. ALIGNED
// says that rows start and end at multiples of four: then all of them do, or none.
INLINE float4 four_of_row(__global const in_t *p, int count) {
  if (count <= 0) return (float4)(0.0f);
#if ALIGNED
  return READ_ALIGNED_4(p);
#else
  return keep_four(READ_WIDE(4, p), count);
#endif
}

// Stores the first `count` of four neighbours.
INLINE void put_four(float4 v, int count, __global out_t *p) {
  if (count >= 4) {
#if ALIGNED
    WRITE_ALIGNED_4(v, p);
#else
    WRITE_WIDE(4, v, p);
#endif
    return;
  }
  if (count > 0) WRITE(v.x, p);
  if (count > 1) WRITE(v.y, p + 1);
  if (count > 2) WRITE(v.z, p + 2);
}

#ifndef MATRIX_UNIT
#error "MATRIX_UNIT: 0 none, 1 products of small matrices by NVIDIA's PTX, 2 the same steps in plain code, such as 0"
#endif
#ifndef MATRIX_FACTORS
#error "MATRIX_FACTORS: the factors of such a unit that a float is split in, 2 to keep its precision or 1, such as 2"
#endif
#if MATRIX_UNIT
#define MATRIX_HALF(is_half) , is_half
#else
#define MATRIX_HALF(is_half)
#endif
#if MATRIX_UNIT == 2
#define MATRIX_MEMORY(items) __local float matrix_memory[6 * (items)];
#define MATRIX_PARAMETER , __local float *matrix_memory
#define MATRIX_ARGUMENT , matrix_memory
#define MATRIX_LOOP _Pragma("nounroll")
#else
#define MATRIX_MEMORY(items)
#define MATRIX_PARAMETER
#define MATRIX_ARGUMENT
#define MATRIX_LOOP _Pragma("unroll")
#endif

#if MATRIX_UNIT
// C += A B for 16 by 8 by 8 elements by the 32 items of a warp, as mma.sync.m16n8k8 does it (PTX ISA, matrix fragments for
// m16n8k8). Item l holds, with r = MATRIX_ROW = l / 4 and q = MATRIX_STEP = l % 4,
//   of A, 16 x 8:  A[r, q], A[r + 8, q], A[r, q + 4], A[r + 8, q + 4]
//   of B, 8 x 8:   B[q, r], B[q + 4, r]
//   of C, 16 x 8:  C[r, 2 q], C[r, 2 q + 1], C[r + 8, 2 q], C[r + 8, 2 q + 1]
#define MATRIX_LANE ((int)get_local_id(0) % 32)
#define MATRIX_ROW (MATRIX_LANE / 4)
#define MATRIX_STEP (MATRIX_LANE % 4)
#define MATRIX_WARP ((int)get_local_id(0) / 32)

#if MATRIX_UNIT == 1
INLINE float4 matrix_step(float4 a, float2 b, float4 c) {
  __asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c.x), "+f"(c.y), "+f"(c.z), "+f"(c.w)
      : "r"(as_uint(a.x)), "r"(as_uint(a.y)), "r"(as_uint(a.z)), "r"(as_uint(a.w)), "r"(as_uint(b.x)), "r"(as_uint(b.y)));
  return c;
}
#else
// Of a factor the unit sees the upper 19 bits.
INLINE float matrix_seen(float x) { return as_float(as_uint(x) & 0xffffe000u); }

INLINE float4 matrix_step(float4 a, float2 b, float4 c MATRIX_PARAMETER) {
  __local float *warp = matrix_memory + 6 * 32 * MATRIX_WARP;
  barrier(CLK_LOCAL_MEM_FENCE);
  vstore4(a, 0, warp + 6 * MATRIX_LANE);
  vstore2(b, 0, warp + 6 * MATRIX_LANE + 4);
  barrier(CLK_LOCAL_MEM_FENCE);
  float sum[4];
  for (int i = 0; i < 4; ++i) {
    const int column = 2 * MATRIX_STEP + i % 2;
    sum[i] = 0.0f;
    for (int k = 0; k < 8; ++k)
      sum[i] += matrix_seen(warp[6 * (4 * MATRIX_ROW + k % 4) + i / 2 + k / 4 * 2]) *
          matrix_seen(warp[6 * (4 * column + k % 4) + 4 + k / 4]);
  }
  return c + vload4(0, sum);
}
#endif

// The unit's factors have 10 bits behind the point. A float is taken as the sum of two of them, and high high + high low +
// low high is as good as float's product. A half is such a factor already, so that nothing is low about it. The unit cuts the ends
// off its sums instead of rounding, so that each step begins at zero and joins the others in float.
INLINE float matrix_high(float x, bool is_half) {
  // Rounded, some NaNs would be zero, and no rest is there to tell.
  if (is_half || (MATRIX_FACTORS == 1 && !isfinite(x))) return x;
  return as_float((as_uint(x) + 0x1000u) & 0xffffe000u);
}

INLINE float4 matrix_product(float4 a, bool a_is_half, float2 b, bool b_is_half MATRIX_PARAMETER) {
  const float4 high = (float4)(
      matrix_high(a.x, a_is_half), matrix_high(a.y, a_is_half), matrix_high(a.z, a_is_half), matrix_high(a.w, a_is_half));
  const float2 b_high = (float2)(matrix_high(b.x, b_is_half), matrix_high(b.y, b_is_half));
  float4 c = (float4)(0.0f);
  if (MATRIX_FACTORS == 2 && !a_is_half) c = matrix_step(a - high, b_high, c MATRIX_ARGUMENT);
  if (MATRIX_FACTORS == 2 && !b_is_half) c = matrix_step(high, b - b_high, c MATRIX_ARGUMENT);
  return matrix_step(high, b_high, c MATRIX_ARGUMENT);
}
#endif

#ifndef NT_ACROSS
#error "NT_ACROSS: work-items of a group along rows and along columns of sums over pixels, such as 8"
#endif
#ifndef NT_SIDE
#error "NT_SIDE: rows, and as many columns, of sums over pixels of one work-item, an even number, such as 6"
#endif
// Sums over pixels, S[a, c] = sum_p left[a, p] right[c, p], by a work-group: weight gradients and the Gram sums of attention.
//
//   pixels ->         | NT_DEPTH | NT_DEPTH | ..          a tile of either side in local memory, turned, while the next one is
//   NT_TILE rows of   |          |          |             on its way
//   left and of right |          |          |
//
// An item has the rows and columns of NT_SIDE / 2 pairs on either side; its pairs lie NT_ACROSS apart, so that neighbouring items
// read neighbouring pairs.
#define NT_GROUP (NT_ACROSS * NT_ACROSS)
#define NT_TILE (NT_ACROSS * NT_SIDE)
#define NT_PAIRS (NT_SIDE / 2)
#define NT_DEPTH 16
#define NT_RUN 1024  // pixels that are added up in registers before they join what was added up before
// Pairs from a pixel to the next, some more than used: what the items of a warp write at once, or what a matrix unit reads at
// once, lies in different banks.
#define NT_PITCH (NT_TILE / 2 + (MATRIX_UNIT ? 4 : 1))
#define NT_MEMORY (4 * NT_DEPTH * NT_PITCH)
// Of each tile an item brings four pixels of NT_SHARE rows, NT_BETWEEN apart.
#define NT_BETWEEN (NT_GROUP / (NT_DEPTH / 4))
#define NT_SHARE (NT_TILE / NT_BETWEEN)
#define NT_PIXEL (4 * ((int)get_local_id(0) % (NT_DEPTH / 4)))
#define NT_ROW ((int)get_local_id(0) / (NT_DEPTH / 4))

// What an item brings of a tile whose pixels start at `at`. Behind `end` it may read, but keeps nothing of what is there.
INLINE void nt_fetch(__global const in_t *const *row, int at, int end, float4 *next) {
  const int left = end - at - NT_PIXEL;
#pragma unroll
  for (int i = 0; i < NT_SHARE; ++i) next[i] = four_at(row[i] + at);
  if (left >= 4) return;
#pragma unroll
  for (int i = 0; i < NT_SHARE; ++i) next[i] = keep_four(next[i], left);
}

INLINE void nt_put(const float4 *next, __local float2 *tile) {
  __local float *first = (__local float *)tile + NT_PIXEL * 2 * NT_PITCH + NT_ROW;
#pragma unroll
  for (int i = 0; i < NT_SHARE; ++i) {
    first[i * NT_BETWEEN] = next[i].x;
    first[i * NT_BETWEEN + 2 * NT_PITCH] = next[i].y;
    first[i * NT_BETWEEN + 4 * NT_PITCH] = next[i].z;
    first[i * NT_BETWEEN + 6 * NT_PITCH] = next[i].w;
  }
}

// Adds the products of two tiles of NT_DEPTH pixels to an item's sums.
#if MATRIX_UNIT
// A warp has all rows and NT_SIDE / 2 blocks of eight columns. Row i of an item's sums is row 8 i + MATRIX_ROW of the tile, pair j
// lies at MATRIX_STEP of its block j.
INLINE void nt_product(
    __local const float2 *left, __local const float2 *right, float2 sum[NT_SIDE][NT_PAIRS] MATRIX_PARAMETER) {
#pragma nounroll
  for (int k = 0; k < NT_DEPTH; k += 8) {  // Both at once would take registers that more groups can use.
    const int place = 2 * NT_PITCH * (k + MATRIX_STEP) + MATRIX_ROW;
    MATRIX_LOOP
    for (int j = 0; j < NT_PAIRS; ++j) {
      __local const float *b = (__local const float *)right + place + 8 * (NT_PAIRS * MATRIX_WARP + j);
      MATRIX_LOOP
      for (int i = 0; i < NT_SIDE; i += 2) {
        __local const float *a = (__local const float *)left + place + 8 * i;
        const float4 c = matrix_product(
            (float4)(a[0], a[8], a[8 * NT_PITCH], a[8 * NT_PITCH + 8]), IN_IS_HALF, (float2)(b[0], b[8 * NT_PITCH]),
            IN_IS_HALF MATRIX_ARGUMENT);
        sum[i][j] += c.xy;
        sum[i + 1][j] += c.zw;
      }
    }
  }
}
#else
INLINE void nt_product(__local const float2 *left, __local const float2 *right, float2 sum[NT_SIDE][NT_PAIRS]) {
  __local const float2 *above = left + get_local_id(0) / NT_ACROSS;
  __local const float2 *beside = right + get_local_id(0) % NT_ACROSS;
#pragma unroll
  for (int k = 0; k < NT_DEPTH; ++k) {
    float2 b[NT_PAIRS];
#pragma unroll
    for (int j = 0; j < NT_PAIRS; ++j) b[j] = beside[k * NT_PITCH + j * NT_ACROSS];
#pragma unroll
    for (int i = 0; i < NT_PAIRS; ++i) {
      const float2 a = above[k * NT_PITCH + i * NT_ACROSS];
#pragma unroll
      for (int j = 0; j < NT_PAIRS; ++j) {
        sum[2 * i][j] = fma((float2)(a.x), b[j], sum[2 * i][j]);
        sum[2 * i + 1][j] = fma((float2)(a.y), b[j], sum[2 * i + 1][j]);
      }
    }
  }
}
#endif

// The sums of the pixels begin .. end - 1 for the tile that starts at the rows `left` and `right`, of which there are `rows` and
// `columns`; of those beyond, sums are computed that nobody may store. squares[side][i]: of the rows that the item brings, the
// squares of the pixels that it brings.
INLINE void nt_sums(
    __global const in_t *left, ulong left_plane, int rows, __global const in_t *right, ulong right_plane, int columns,
    int begin, int end, __local float2 *memory, float2 sum[NT_SIDE][NT_PAIRS], float squares[2][NT_SHARE] MATRIX_PARAMETER) {
  __global const in_t *left_row[NT_SHARE], *right_row[NT_SHARE];
#pragma unroll
  for (int i = 0; i < NT_SHARE; ++i) {
    left_row[i] = left + min(NT_ROW + i * NT_BETWEEN, rows - 1) * left_plane + NT_PIXEL;
    right_row[i] = right + min(NT_ROW + i * NT_BETWEEN, columns - 1) * right_plane + NT_PIXEL;
    squares[0][i] = squares[1][i] = 0.0f;
  }
#pragma unroll
  for (int i = 0; i < NT_SIDE; ++i)
#pragma unroll
    for (int j = 0; j < NT_PAIRS; ++j) sum[i][j] = (float2)(0.0f);
  float4 next_left[NT_SHARE], next_right[NT_SHARE];
  // The first round brings the first tile and multiplies nothing.
  for (int at = begin - NT_DEPTH, turn = 1; at < end; at += NT_DEPTH, turn = 1 - turn) {
    const bool goes_on = at + NT_DEPTH < end;
    if (goes_on) {
      nt_fetch(left_row, at + NT_DEPTH, end, next_left);
      nt_fetch(right_row, at + NT_DEPTH, end, next_right);
    }
    if (at >= begin) {
      __local const float2 *tile = memory + turn * (NT_MEMORY / 2);
      nt_product(tile, tile + NT_MEMORY / 4, sum MATRIX_ARGUMENT);
    }
    if (goes_on) {
      __local float2 *tile = memory + (1 - turn) * (NT_MEMORY / 2);
      nt_put(next_left, tile);
      nt_put(next_right, tile + NT_MEMORY / 4);
#pragma unroll
      for (int i = 0; i < NT_SHARE; ++i) {
        squares[0][i] += dot(next_left[i], next_left[i]);
        squares[1][i] += dot(next_right[i], next_right[i]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}

// Lays a group's sums out as a tile of NT_TILE by NT_TILE, from where all items write whole rows of them: by itself an item would
// keep three dozen addresses in registers and write a pair here and a pair there.
INLINE void nt_lay_out(float2 sum[NT_SIDE][NT_PAIRS], __local float2 *memory) {
#if MATRIX_UNIT
#define NT_SUM_ROW(i) (8 * (i) + MATRIX_ROW)
#define NT_SUM_PAIR(j) (4 * (NT_PAIRS * MATRIX_WARP + (j)) + MATRIX_STEP)
#else
#define NT_SUM_ROW(i) (2 * ((int)get_local_id(0) / NT_ACROSS + NT_ACROSS * ((i) / 2)) + (i) % 2)
#define NT_SUM_PAIR(j) ((int)get_local_id(0) % NT_ACROSS + NT_ACROSS * (j))
#endif
#pragma unroll
  for (int i = 0; i < NT_SIDE; ++i)
#pragma unroll
    for (int j = 0; j < NT_PAIRS; ++j) memory[NT_SUM_ROW(i) * (NT_TILE / 2) + NT_SUM_PAIR(j)] = sum[i][j];
  barrier(CLK_LOCAL_MEM_FENCE);
}

// ---- Ceilings ----
// What the device does at best, for `restormer bench`; no operator: sums of multiply-adds, a copy y = x, an empty launch.
//
// Indices: one dimension. Item k has CEILING_SUMS sums of its own; of the copy it has `vectors` vectors, on a CPU those from
// vectors k on, elsewhere every (items)th from k on.
// Tunables: CEILING_SUMS; VECTOR_WIDTH, the floats of a sum.

#ifndef CEILING_SUMS
#error "CEILING_SUMS: sums that cover the latency of two multiply-adds a cycle in 16 registers, such as 10"
#endif

// Multiply-adds that wait for nothing but each other: `rounds` times CEILING_SUMS vectors per work-item.
__kernel void ceiling_multiply_add(__global float *base, ulong offset, int rounds) {
  const int item = (int)get_global_id(0);
  // The compiler must not know the factor, or else it would know the result.
  const vector factor = (vector)(1.0f / (float)(rounds + item)), addend = (vector)(1.0f);
  vector sum[CEILING_SUMS];
#pragma unroll
  for (int i = 0; i < CEILING_SUMS; ++i) sum[i] = addend * (float)i;
  for (int round = 0; round < rounds; ++round)
#pragma unroll
    for (int i = 0; i < CEILING_SUMS; ++i) sum[i] = fma(sum[i], factor, addend);
#pragma unroll
  for (int i = 1; i < CEILING_SUMS; ++i) sum[0] += sum[i];
  base[offset + item] = sum_lanes(sum[0]);
}

// y = x, `vectors` vectors per work-item. On a CPU device an item's vectors follow each other; elsewhere those of neighbouring
// items do, so that a group reads and writes whole lines of memory.
__kernel void ceiling_copy(
    __global const float *restrict x, ulong x_offset, __global float *restrict y, ulong y_offset, int vectors) {
  const ulong item = get_global_id(0);
#ifdef CPU_DEVICE
  const ulong first = (ulong)vectors * item;
  for (int i = 0; i < vectors; ++i) vstore16(vload16(first + i, x + x_offset), first + i, y + y_offset);
#else
  // A cast of an aligned pointer is one load; vload4 would be four on some devices.
  __global const float4 *from = (__global const float4 *)(x + x_offset) + item;
  __global float4 *to = (__global float4 *)(y + y_offset) + item;
  const ulong items = get_global_size(0);
  for (int i = 0; i < vectors; ++i) to[items * i] = from[items * i];
#endif
}

// Nothing but a launch.
__kernel void ceiling_nothing(__global float *base, ulong offset) {
  if (get_global_id(0) > 0) base[offset] = 0.0f;
}

// ---- Add ----
// y = a + b, all [n, c, h, w].
//
// Indices, as for all elementwise kernels, of which an item takes a rectangle of pixels and channels:
//
//             pixels ->  | pixels_per_item | pixels_per_item | ..        dimension 0
//   channels  |          |                 |                 |
//   v         | channels_per_item          |                 |           dimension 1; images are dimension 2
//
// Tunables: VEC, the step of an item along pixels.

__kernel void add(ACTIVATION_IN(a), ACTIVATION_IN(b), ACTIVATION_OUT(y), int pixels, int channels,
                  int pixels_per_item, int channels_per_item) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c)
    for (int i = first; i < end; i += VEC)
      store_vec(load_vec(PLANE(a, n, c) + i) + load_vec(PLANE(b, n, c) + i), end - i, PLANE(y, n, c) + i);
}

// ---- DepthwiseConv ----
// y[n, c, i, j] = bias[c] + sum over ky, kx of w[c, ky, kx] x[n, c, i + ky - 1, j + kx - 1], zero outside.
// x, y: [n, c, h, w]; w: [c, 1, 3, 3]; bias: [c] or absent.
//
// Indices. A sweep computes DEPTHWISE_ROWS rows of some columns, VEC on a CPU, else four: each input row is loaded once, at three
// column offsets, and serves up to three output rows.
//
//   row y - 1            | l c r |         l, c, r: loads at columns x - 1, x, x + 1
//   rows y .. y + 3      | l c r |  ->  sums of rows y .. y + 3
//   row y + 4            | l c r |
//
// A CPU work-item sweeps rows_per_item whole rows (dimension 0) of channels_per_item channels (1) of one image (2); elsewhere
// an item makes one sweep of every image: four columns (dimension 0) and DEPTHWISE_ROWS rows (1) of one channel (2).
// Tunables: DEPTHWISE_ROWS; for gradients on a CPU FRAME_ROWS x FRAME_COLUMNS, the pixels of a tile.
// DEPTHWISE_SUMS is fixed.

#ifndef DEPTHWISE_ROWS
#error "DEPTHWISE_ROWS: output rows of one sweep, such as 4"
#endif
#ifndef DEPTHWISE_SUMS
#error "DEPTHWISE_SUMS: partial sums of a channel, of nine taps and the bias, such as 10"
#endif

INLINE void depthwise_taps(__global const float *w, float *k) {
#pragma unroll
  for (int i = 0; i < 9; ++i) k[i] = w[i];
}

#ifdef CPU_DEVICE
// The columns x - 1 .. x + VEC - 2 of a row, zero left of the image.
INLINE vec depthwise_left(__global const in_t *row, int x) {
  if (x > 0) return load_vec(row + x - 1);
  const vec v = load_vec(row);
  return (vec)(0.0f, v.lo.lo, v.lo.hi.s012, v.lo.s7, v.hi.lo, v.hi.hi.s012);
}

// The columns x + 1 .. x + VEC of a row, zero right of the image.
INLINE vec depthwise_right(__global const in_t *row, int x, int width) {
  const vec v = load_vec(row + x + 1);
  return x + VEC < width ? v : keep_vec(v, width - 1 - x);
}

// Adds to sum[r] the taps over the neighbourhood of columns x .. x + VEC - 1 of row y + r, r < DEPTHWISE_ROWS; row[r + 1] is
// that row. Inside, the sweep and its neighbours touch no edge of the image.
INLINE void depthwise_taps_of_rows(__global const in_t *const *row, const float *k, vec *sum, int y, int x,
                                   int height, int width, const bool inside) {
#pragma unroll
  for (int r = -1; r <= DEPTHWISE_ROWS; ++r) {
    if (!inside && (y + r < 0 || y + r >= height)) continue;
    __global const in_t *line = row[r + 1];
    const vec left = inside ? load_vec(line + x - 1) : depthwise_left(line, x);
    const vec centre = load_vec(line + x);
    const vec right = inside ? load_vec(line + x + 1) : depthwise_right(line, x, width);
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
      const int target = r + 1 - ky;
      if (target < 0 || target >= DEPTHWISE_ROWS) continue;
      sum[target] += k[3 * ky] * left;
      sum[target] += k[3 * ky + 1] * centre;
      sum[target] += k[3 * ky + 2] * right;
    }
  }
}

// sum[r] = bias + the taps for row y + r of an image of `height` rows, of which the plane `in` holds some: row i lies in slot
// i mod `slots`.
INLINE void depthwise_sums(__global const in_t *in, const float *k, float bias, vec *sum, int y, int x,
                           int height, int width, int slots) {
  const int slot = y % slots;
  __global const in_t *row[DEPTHWISE_ROWS + 2];
#pragma unroll
  for (int r = -1; r <= DEPTHWISE_ROWS; ++r) {
    const int place = slot + r;
    row[r + 1] = in + (long)(place < 0 ? place + slots : place >= slots ? place - slots : place) * width;
  }
#pragma unroll
  for (int r = 0; r < DEPTHWISE_ROWS; ++r) sum[r] = (vec)(bias);
  if (y > 0 && y + DEPTHWISE_ROWS < height && x > 0 && x + VEC < width)
    depthwise_taps_of_rows(row, k, sum, y, x, height, width, true);
  else
    depthwise_taps_of_rows(row, k, sum, y, x, height, width, false);
}

INLINE void depthwise_sweep(__global const in_t *in, const float *k, float bias,
                            __global out_t *out, int y, int x, int height, int width) {
  vec sum[DEPTHWISE_ROWS];
  depthwise_sums(in, k, bias, sum, y, x, height, width, height);
#pragma unroll
  for (int r = 0; r < DEPTHWISE_ROWS; ++r)
    if (y + r < height) store_vec(sum[r], width - x, out + (long)(y + r) * width + x);
}

// One channel of a work-item: `rows_per_item` rows.
INLINE void depthwise_channel(__global const in_t *in, const float *k, float bias,
                              __global out_t *out, int height, int width, int rows_per_item) {
  const int item = (int)get_global_id(0), last = min(height, (item + 1) * rows_per_item);
  for (int y = item * rows_per_item; y < last; y += DEPTHWISE_ROWS)
    for (int x = 0; x < width; x += VEC) depthwise_sweep(in, k, bias, out, y, x, height, width);
}

__kernel void depthwise_conv(ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_OUT(y),
                             int has_bias, int channels, int height, int width, int rows_per_item,
                             int channels_per_item) {
  const int n = (int)get_global_id(2), first = channels_per_item * (int)get_global_id(1);
  for (int c = first; c < min(channels, first + channels_per_item); ++c) {
    float k[9];
    for (int i = 0; i < 9; ++i) k[i] = PLANE(w, c, 0)[i];
    const float b = has_bias ? *PLANE(bias, 0, c) : 0.0f;
    depthwise_channel(PLANE(x, n, c), k, b, PLANE(y, n, c), height, width, rows_per_item);
  }
}

// Windows: rows first .. first + rows - 1 of the convolution of an image of `height` rows. The plane of x holds the rows
// that they need, row i in slot i mod `slots`, so that the rows of a next band can follow on; y holds the window alone.

// The first column and row of sweep number `sweep` of a work-item, false when it has no more.
INLINE bool depthwise_next(int sweep, int rows, int width, int rows_per_item, int *y, int *x) {
  const int item = (int)get_global_id(0), across = (width + VEC - 1) / VEC;
  *y = item * rows_per_item + sweep / across * DEPTHWISE_ROWS;
  *x = sweep % across * VEC;
  return *y < min(rows, (item + 1) * rows_per_item);
}

__kernel void depthwise_window(ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_OUT(y), int has_bias,
                               int channels, int rows, int width, int rows_per_item,
                               int channels_per_item, int first, int height, int slots) {
  const int n = (int)get_global_id(2), first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    float k[9];
    depthwise_taps(PLANE(w, c, 0), k);
    const float b = has_bias ? *PLANE(bias, 0, c) : 0.0f;
    int row, column;
    for (int s = 0; depthwise_next(s, rows, width, rows_per_item, &row, &column); ++s) {
      vec sum[DEPTHWISE_ROWS];
      depthwise_sums(PLANE(x, n, c), k, b, sum, first + row, column, height, width, slots);
#pragma unroll
      for (int r = 0; r < DEPTHWISE_ROWS; ++r)
        if (row + r < rows)
          store_vec(sum[r], width - column, PLANE(y, n, c) + (long)(row + r) * width + column);
    }
  }
}

// y = gelu(a) b with the window's channel halves a and b; y has `channels` of them.
__kernel void depthwise_gate_window(ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_OUT(y),
                                    int has_bias, int channels, int rows, int width, int rows_per_item,
                                    int channels_per_item, int first, int height, int slots) {
  const int n = (int)get_global_id(2), first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    float k[9], gate_k[9];
    depthwise_taps(PLANE(w, c, 0), k);
    depthwise_taps(PLANE(w, channels + c, 0), gate_k);
    const float b = has_bias ? *PLANE(bias, 0, c) : 0.0f;
    const float gate_b = has_bias ? *PLANE(bias, 0, channels + c) : 0.0f;
    int row, column;
    for (int s = 0; depthwise_next(s, rows, width, rows_per_item, &row, &column); ++s) {
      vec sum[DEPTHWISE_ROWS], factor[DEPTHWISE_ROWS];
      depthwise_sums(PLANE(x, n, c), k, b, sum, first + row, column, height, width, slots);
      depthwise_sums(
          PLANE(x, n, channels + c), gate_k, gate_b, factor, first + row, column, height, width, slots);
#pragma unroll
      for (int r = 0; r < DEPTHWISE_ROWS; ++r) {
        const vec v = sum[r] * gate_distribution(sum[r], gate_bell(sum[r])) * factor[r];
        if (row + r < rows)
          store_vec(v, width - column, PLANE(y, n, c) + (long)(row + r) * width + column);
      }
    }
  }
}
#else
// For GPUs. The columns x - 1 .. x + 4 of a row, zero outside of the image.
INLINE void depthwise_six(__global const in_t *row, int x, int width, bool is_inside, float six[6]) {
  const float4 centre = four_of_row(row + x, is_inside ? width - x : 0);
  six[0] = is_inside && x > 0 ? READ(row + x - 1) : 0.0f;
  six[1] = centre.x;
  six[2] = centre.y;
  six[3] = centre.z;
  six[4] = centre.w;
  six[5] = is_inside && x + 4 < width ? READ(row + x + 4) : 0.0f;
}

// sum[r] = bias + the taps for columns x .. x + 3 of row y + r of a window of `rows` rows, r < DEPTHWISE_ROWS. Row 0 of the window
// is row `first` of an image of `height` rows and lies in slot `slot` of `slots`, where the next ones follow.
INLINE void depthwise_block(
    __global const in_t *in, const float *k, float bias, float sum[DEPTHWISE_ROWS][4], int y, int x, int rows, int width,
    int first, int height, int slot, int slots) {
#pragma unroll
  for (int r = 0; r < DEPTHWISE_ROWS; ++r)
#pragma unroll
    for (int l = 0; l < 4; ++l) sum[r][l] = bias;
#pragma unroll
  for (int r = -1; r <= DEPTHWISE_ROWS; ++r) {
    // Rows of the image that no row of the window needs may not be there.
    const bool is_inside = first + y + r >= 0 && first + y + r < height && y + r <= rows;
    int place = slot + y + r;
    place = place < 0 ? place + slots : place >= slots ? place - slots : place;
    float six[6];
    depthwise_six(in + (long)place * width, x, width, is_inside, six);
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
      const int target = r + 1 - ky;
      if (target < 0 || target >= DEPTHWISE_ROWS) continue;
#pragma unroll
      for (int kx = 0; kx < 3; ++kx)
#pragma unroll
        for (int l = 0; l < 4; ++l) sum[target][l] = fma(k[3 * ky + kx], six[l + kx], sum[target][l]);
    }
  }
}

// The same for the two channels whose results a gate multiplies: their taps and biases first; a bias may be null.
INLINE void depthwise_pair_taps(
    __global const float *first_w, __global const float *second_w, __global const float *first_bias,
    __global const float *second_bias, float k[2][9], float b[2]) {
  depthwise_taps(first_w, k[0]);
  depthwise_taps(second_w, k[1]);
  b[0] = first_bias ? *first_bias : 0.0f;
  b[1] = second_bias ? *second_bias : 0.0f;
}

INLINE void depthwise_pair_block(
    __global const in_t *first_in, __global const in_t *second_in, float k[2][9], const float b[2],
    float sum[2][DEPTHWISE_ROWS][4], int y, int x, int rows, int width, int first, int height, int slot, int slots) {
  depthwise_block(first_in, k[0], b[0], sum[0], y, x, rows, width, first, height, slot, slots);
  depthwise_block(second_in, k[1], b[1], sum[1], y, x, rows, width, first, height, slot, slots);
}

#define DEPTHWISE_X (4 * (int)get_global_id(0))
#define DEPTHWISE_Y (DEPTHWISE_ROWS * (int)get_global_id(1))

__kernel void depthwise_window_blocks(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_OUT(y), int has_bias, int channels, int rows, int width,
    int images, int first, int height, int slot, int slots) {
  const int column = DEPTHWISE_X, row = DEPTHWISE_Y, c = (int)get_global_id(2);
  if (column >= width || row >= rows || c >= channels) return;
  float k[9], sum[DEPTHWISE_ROWS][4];
  depthwise_taps(PLANE(w, c, 0), k);
  const float b = has_bias ? *PLANE(bias, 0, c) : 0.0f;
  for (int n = 0; n < images; ++n) {
    depthwise_block(PLANE(x, n, c), k, b, sum, row, column, rows, width, first, height, slot, slots);
#pragma unroll
    for (int r = 0; r < DEPTHWISE_ROWS; ++r)
      if (row + r < rows)
        put_four(
            (float4)(sum[r][0], sum[r][1], sum[r][2], sum[r][3]), width - column,
            PLANE(y, n, c) + (long)(row + r) * width + column);
  }
}

// y = gelu(a) b with the window's channel halves a and b; y has `channels` of them.
__kernel void depthwise_gate_window_blocks(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_OUT(y), int has_bias, int channels, int rows, int width,
    int images, int first, int height, int slot, int slots) {
  const int column = DEPTHWISE_X, row = DEPTHWISE_Y, c = (int)get_global_id(2);
  if (column >= width || row >= rows || c >= channels) return;
  float k[2][9], b[2], sum[2][DEPTHWISE_ROWS][4];
  depthwise_pair_taps(
      PLANE(w, c, 0), PLANE(w, channels + c, 0), has_bias ? PLANE(bias, 0, c) : 0,
      has_bias ? PLANE(bias, 0, channels + c) : 0, k, b);
  for (int n = 0; n < images; ++n) {
    depthwise_pair_block(
        PLANE(x, n, c), PLANE(x, n, channels + c), k, b, sum, row, column, rows, width, first, height, slot, slots);
#pragma unroll
    for (int r = 0; r < DEPTHWISE_ROWS; ++r) {
      if (row + r >= rows) break;
      float v[4];
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        const float a = sum[0][r][l];
        v[l] = a * gate_distribution(a, gate_bell(a)) * sum[1][r][l];
      }
      put_four((float4)(v[0], v[1], v[2], v[3]), width - column, PLANE(y, n, c) + (long)(row + r) * width + column);
    }
  }
}
#endif

// The gradients: gx[n, c, i, j] = sum of w[c, ky, kx] gy[n, c, i - ky + 1, j - kx + 1], gw[c, ky, kx] = sum of x[n, c, i, j]
// times the same, gb = sum of gy; sums over pixels in two stages. Here the partial sums, [n][c][parts][DEPTHWISE_SUMS], the tenth that of
// gy, are added up.

#if !HALF_STORAGE  // Sums, float always.
// One work-item: one channel.
__kernel void depthwise_conv_backward_sum(TENSOR_IN(partial), TENSOR_OUT(gw),
                                                   TENSOR_OUT(gbias), int has_bias, int images,
                                                   int channels, int groups) {
  const int c = (int)get_global_id(0);
  if (c >= channels) return;
  float total[DEPTHWISE_SUMS];
  for (int i = 0; i < DEPTHWISE_SUMS; ++i) total[i] = 0.0f;
  for (int n = 0; n < images; ++n) {
    __global const float *p = PLANE(partial, 0, 0) + DEPTHWISE_SUMS * (((long)n * channels + c) * groups);
    float sum[DEPTHWISE_SUMS];
    for (int i = 0; i < DEPTHWISE_SUMS; ++i) sum[i] = 0.0f;
    for (int g = 0; g < groups; ++g)
      for (int i = 0; i < DEPTHWISE_SUMS; ++i) sum[i] += p[DEPTHWISE_SUMS * g + i];
    for (int i = 0; i < DEPTHWISE_SUMS; ++i) total[i] += sum[i];
  }
  for (int i = 0; i < 9; ++i) PLANE(gw, c, 0)[i] = total[i];
  if (has_bias) *PLANE(gbias, 0, c) = total[9];
}
#endif

#ifndef CPU_DEVICE
// For GPUs, both in one sweep. One work-group: `rows_per_group` rows (dimension 0) of one channel (1) of one image (2), a block of
// four columns of DEPTHWISE_ROWS rows at a time for each item, two to the power of `across_bits` items side by side. Where a channel
// has a single group, its sums are the gradients.
__kernel void depthwise_conv_backward_groups(
    ACTIVATION_IN(x), TENSOR_IN(w), ACTIVATION_IN(gy), ACTIVATION_OUT(gx), TENSOR_OUT(partial), TENSOR_OUT(gw),
    TENSOR_OUT(gbias), int has_bias, int channels, int height, int width, int rows_per_group, int across_bits) {
  __local float shared[GROUP_SIZE];
  const int group = (int)get_group_id(0), c = (int)get_group_id(1), n = (int)get_group_id(2);
  const int item = (int)get_local_id(0), across = 1 << across_bits;
  const int down = DEPTHWISE_ROWS * ((int)get_local_size(0) >> across_bits);
  float k[9], sum[DEPTHWISE_SUMS];
  depthwise_taps(PLANE(w, c, 0), k);
#pragma unroll
  for (int i = 0; i < DEPTHWISE_SUMS; ++i) sum[i] = 0.0f;
  const int last = min(height, (group + 1) * rows_per_group);
  const int first = group * rows_per_group + DEPTHWISE_ROWS * (item >> across_bits);
  for (int y = first; y < last; y += down)
    for (int j = 4 * (item & (across - 1)); j < width; j += 4 * across) {
      float4 value[DEPTHWISE_ROWS];
      float total[DEPTHWISE_ROWS][4];
#pragma unroll
      for (int r = 0; r < DEPTHWISE_ROWS; ++r) {
        value[r] = four_of_row(PLANE(x, n, c) + ((long)(y + r) * width + j), y + r < last ? width - j : 0);
#pragma unroll
        for (int l = 0; l < 4; ++l) total[r][l] = 0.0f;
      }
#pragma unroll
      for (int r = -1; r <= DEPTHWISE_ROWS; ++r) {
        float g[6];
        depthwise_six(PLANE(gy, n, c) + (long)(y + r) * width, j, width, y + r >= 0 && y + r < height, g);
#pragma unroll
        for (int ky = 0; ky < 3; ++ky) {
          const int target = r + ky - 1;
          if (target < 0 || target >= DEPTHWISE_ROWS) continue;
          const float in[4] = {value[target].x, value[target].y, value[target].z, value[target].w};
#pragma unroll
          for (int kx = 0; kx < 3; ++kx)
#pragma unroll
            for (int l = 0; l < 4; ++l) {
              total[target][l] = fma(k[3 * ky + kx], g[l - kx + 2], total[target][l]);
              sum[3 * ky + kx] = fma(in[l], g[l - kx + 2], sum[3 * ky + kx]);
            }
        }
        // Rows of the next group are its own to add up.
        if (r >= 0 && r < DEPTHWISE_ROWS && y + r < last) sum[9] += (g[1] + g[2]) + (g[3] + g[4]);
      }
#pragma unroll
      for (int r = 0; r < DEPTHWISE_ROWS; ++r)
        if (y + r < last)
          put_four(
              (float4)(total[r][0], total[r][1], total[r][2], total[r][3]), width - j,
              PLANE(gx, n, c) + ((long)(y + r) * width + j));
    }
  const long slot = ((long)n * channels + c) * (long)get_num_groups(0) + group;
  const bool is_whole = get_num_groups(0) * get_num_groups(2) == 1;
  for (int i = 0; i < DEPTHWISE_SUMS; ++i) {
    const float total = group_sum(sum[i], shared);
    if (item > 0) continue;
    if (!is_whole)
      PLANE(partial, 0, 0)[DEPTHWISE_SUMS * slot + i] = total;
    else if (i < 9)
      PLANE(gw, c, 0)[i] = total;
    else if (has_bias)
      *PLANE(gbias, 0, c) = total;
  }
}

// The gradients of the convolution's channel halves a and b, which are computed again, in y = gelu(a) b: ga = gy b (P(a) +
// a p(a)), gb = gy gelu(a) (see GELUGate). channels: of y. Indices as for the convolution.
__kernel void depthwise_gate_slopes(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_IN(gy), ACTIVATION_OUT(slope), int has_bias, int channels,
    int height, int width, int images) {
  const int column = DEPTHWISE_X, row = DEPTHWISE_Y, c = (int)get_global_id(2);
  if (column >= width || row >= height || c >= channels) return;
  float k[2][9], b[2], sum[2][DEPTHWISE_ROWS][4];
  depthwise_pair_taps(
      PLANE(w, c, 0), PLANE(w, channels + c, 0), has_bias ? PLANE(bias, 0, c) : 0,
      has_bias ? PLANE(bias, 0, channels + c) : 0, k, b);
  for (int n = 0; n < images; ++n) {
    depthwise_pair_block(
        PLANE(x, n, c), PLANE(x, n, channels + c), k, b, sum, row, column, height, width, 0, height, 0, height);
#pragma unroll
    for (int r = 0; r < DEPTHWISE_ROWS; ++r) {
      if (row + r >= height) break;
      const long place = (long)(row + r) * width + column;
      const float4 four = four_of_row(PLANE(gy, n, c) + place, width - column);
      const float g[4] = {four.x, four.y, four.z, four.w};
      float first[4], second[4];
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        const float a = sum[0][r][l], bell = gate_bell(a), p = gate_distribution(a, bell);
        first[l] = g[l] * sum[1][r][l] * (p + 0.3989423f * a * bell);
        second[l] = g[l] * a * p;
      }
      put_four((float4)(first[0], first[1], first[2], first[3]), width - column, PLANE(slope, n, c) + place);
      put_four(
          (float4)(second[0], second[1], second[2], second[3]), width - column, PLANE(slope, n, channels + c) + place);
    }
  }
}
#else
// For CPUs, both in one sweep, a tile of FRAME_ROWS by FRAME_COLUMNS pixels at a time. What a tile needs is
// copied into frames, with two rows above and below it and a vector left and right of it, zero outside of the image: there
// are no edges to test, and memory is read once, in order.

#ifndef FRAME_ROWS
#error "FRAME_ROWS: rows of a tile, a multiple of DEPTHWISE_ROWS, such as 32"
#endif
#ifndef FRAME_COLUMNS
#error "FRAME_COLUMNS: columns of a tile, a multiple of VEC, such as 128"
#endif
#define FRAME_PITCH (FRAME_COLUMNS + 2 * VEC)
#define FRAME_ELEMENTS ((FRAME_ROWS + DEPTHWISE_ROWS + 4) * FRAME_PITCH)
// The element of row y and column x of the tile; its neighbours' are negative or beyond.
#define FRAME_AT(frame, y, x) ((frame) + ((y) + 2) * FRAME_PITCH + 2 * VEC + (x))

// A tile: its first row and column in the image, what of it lies in the image, and which rows and vectors of columns next
// to it do: rows top to bottom - 1, columns left to right - 1.
typedef struct {
  int y, x, rows, columns, top, bottom, left, right;
} depthwise_tile;

INLINE depthwise_tile depthwise_tile_of(int item, int height, int width) {
  const int across = (width + FRAME_COLUMNS - 1) / FRAME_COLUMNS;
  depthwise_tile t;
  t.y = item / across * FRAME_ROWS;
  t.x = item % across * FRAME_COLUMNS;
  t.rows = min(FRAME_ROWS, height - t.y);
  t.columns = min(FRAME_COLUMNS, width - t.x);
  t.top = t.y > 0 ? -1 : 0;
  t.bottom = t.y + t.rows < height ? t.rows + 1 : t.rows;
  t.left = t.x > 0 ? -VEC : 0;
  t.right = t.x + t.columns < width ? t.columns + VEC : t.columns;
  return t;
}

INLINE void frame_clear(float *frame) {
  for (int i = 0; i < FRAME_ELEMENTS; i += VEC) vstore16((vec)(0.0f), 0, frame + i);
}

// Copies the tile and `margin` rows above and below it, as far as they lie in the image; the rest of the frame stays zero.
INLINE void frame_fill(float *frame, __global const in_t *plane, depthwise_tile t, int margin, int height,
                       int width) {
  for (int y = max(-margin, -t.y); y < min(t.rows + margin, height - t.y); ++y) {
    __global const in_t *row = plane + (long)(t.y + y) * width + t.x;
    for (int j = t.left; j < t.right; j += VEC)
      vstore16(keep_vec(load_vec(row + j), width - t.x - j), 0, FRAME_AT(frame, y, j));
  }
}

// sum[r] += the taps over the neighbourhood of columns j .. j + VEC - 1 of row y + r.
INLINE void frame_taps(const float *frame, const float *k, vec *sum, int y, int j) {
#pragma unroll
  for (int r = -1; r <= DEPTHWISE_ROWS; ++r) {
    const float *line = FRAME_AT(frame, y + r, j);
    const vec left = vload16(0, line - 1), centre = vload16(0, line), right = vload16(0, line + 1);
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
      const int target = r + 1 - ky;
      if (target < 0 || target >= DEPTHWISE_ROWS) continue;
      sum[target] += k[3 * ky] * left;
      sum[target] += k[3 * ky + 1] * centre;
      sum[target] += k[3 * ky + 2] * right;
    }
  }
}

// Stores gx, the neighbourhood of gy times the taps w in reverse order, and the tile's partial sums: nine of gw[ky, kx] =
// sum of x[i, j] gy[i - ky + 1, j - kx + 1], one of gy. x, gy: frames; partial: [n][c][tiles][DEPTHWISE_SUMS].
INLINE void depthwise_tile_backward(const float *x, const float *gy, __global out_t *gx,
                                    __global const float *w, __global float *partial, depthwise_tile t,
                                    int width) {
  float k[9];
  vec sum[DEPTHWISE_SUMS];
  for (int i = 0; i < 9; ++i) k[i] = w[i];
  for (int i = 0; i < DEPTHWISE_SUMS; ++i) sum[i] = (vec)(0.0f);
  for (int y = 0; y < t.rows; y += DEPTHWISE_ROWS)
    for (int j = 0; j < t.columns; j += VEC) {
      vec in[DEPTHWISE_ROWS], out[DEPTHWISE_ROWS];
#pragma unroll
      for (int r = 0; r < DEPTHWISE_ROWS; ++r) {
        in[r] = vload16(0, FRAME_AT(x, y + r, j));
        out[r] = (vec)(0.0f);
      }
#pragma unroll
      for (int r = -1; r <= DEPTHWISE_ROWS; ++r) {
        const float *line = FRAME_AT(gy, y + r, j);
        const vec left = vload16(0, line - 1), centre = vload16(0, line), right = vload16(0, line + 1);
#pragma unroll
        for (int ky = 0; ky < 3; ++ky) {
          const int target = r + ky - 1;
          if (target < 0 || target >= DEPTHWISE_ROWS) continue;
          out[target] += k[3 * ky] * right;
          out[target] += k[3 * ky + 1] * centre;
          out[target] += k[3 * ky + 2] * left;
          sum[3 * ky] += in[target] * right;
          sum[3 * ky + 1] += in[target] * centre;
          sum[3 * ky + 2] += in[target] * left;
        }
        // Rows of the next tile are its own to add up; rows outside of the image are zero.
        if (r >= 0 && r < DEPTHWISE_ROWS) sum[9] += centre;
      }
#pragma unroll
      for (int r = 0; r < DEPTHWISE_ROWS; ++r)
        if (y + r < t.rows)
          store_vec(out[r], t.columns - j, gx + (long)(t.y + y + r) * width + t.x + j);
    }
  for (int i = 0; i < DEPTHWISE_SUMS; ++i) partial[i] = sum_vec(sum[i]);
}

// One work-item: one tile (dimension 0) of some channels (1) of one image (2).
__kernel void depthwise_conv_backward(ACTIVATION_IN(x), TENSOR_IN(w), ACTIVATION_IN(gy), ACTIVATION_OUT(gx),
                                      TENSOR_OUT(partial), int channels, int height, int width,
                                      int channels_per_item) {
  const int item = (int)get_global_id(0), n = (int)get_global_id(2);
  const int first = channels_per_item * (int)get_global_id(1);
  const depthwise_tile t = depthwise_tile_of(item, height, width);
  float in[FRAME_ELEMENTS], slope[FRAME_ELEMENTS];
  frame_clear(in);
  frame_clear(slope);
  for (int c = first; c < min(channels, first + channels_per_item); ++c) {
    frame_fill(in, PLANE(x, n, c), t, 0, height, width);
    frame_fill(slope, PLANE(gy, n, c), t, 1, height, width);
    const long slot = ((long)n * channels + c) * (long)get_global_size(0) + item;
    depthwise_tile_backward(
        in, slope, PLANE(gx, n, c), PLANE(w, c, 0), PLANE(partial, 0, 0) + DEPTHWISE_SUMS * slot, t, width);
  }
}

// The gradients of y = gelu(a) b, where a and b are the halves of the convolution's channels: a and b are computed again,
// their gradients ga = gy b (P(a) + a p(a)) and gb = gy gelu(a) (see GELUGate) take the place of gy above. channels: of y.
__kernel void depthwise_gate_backward(ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(bias), ACTIVATION_IN(gy),
                                      ACTIVATION_OUT(gx), TENSOR_OUT(partial), int has_bias, int channels,
                                      int height, int width, int channels_per_item) {
  const int item = (int)get_global_id(0), n = (int)get_global_id(2);
  const int first = channels_per_item * (int)get_global_id(1);
  const depthwise_tile t = depthwise_tile_of(item, height, width);
  float in[2][FRAME_ELEMENTS], slope[2][FRAME_ELEMENTS];
  for (int side = 0; side < 2; ++side) {
    frame_clear(in[side]);
    frame_clear(slope[side]);
  }
  for (int c = first; c < min(channels, first + channels_per_item); ++c) {
    float k[2][9], start[2];
    for (int side = 0; side < 2; ++side) {
      const int plane = side * channels + c;
      depthwise_taps(PLANE(w, plane, 0), k[side]);
      start[side] = has_bias ? *PLANE(bias, 0, plane) : 0.0f;
      frame_fill(in[side], PLANE(x, n, plane), t, 2, height, width);
    }
    for (int y = t.top; y < t.bottom; y += DEPTHWISE_ROWS)
      for (int j = t.left; j < t.right; j += VEC) {
        vec a[DEPTHWISE_ROWS], b[DEPTHWISE_ROWS];
        for (int r = 0; r < DEPTHWISE_ROWS; ++r) a[r] = (vec)(start[0]), b[r] = (vec)(start[1]);
        frame_taps(in[0], k[0], a, y, j);
        frame_taps(in[1], k[1], b, y, j);
        __global const in_t *g = PLANE(gy, n, c) + (long)(t.y + y) * width + t.x + j;
#pragma unroll
        for (int r = 0; r < DEPTHWISE_ROWS; ++r) {
          if (y + r >= t.bottom) break;
          const vec grad = keep_vec(load_vec(g + (long)r * width), width - t.x - j);
          const vec bell = gate_bell(a[r]), p = gate_distribution(a[r], bell);
          vstore16(grad * b[r] * (p + 0.3989423f * a[r] * bell), 0, FRAME_AT(slope[0], y + r, j));
          vstore16(grad * a[r] * p, 0, FRAME_AT(slope[1], y + r, j));
        }
      }
    for (int side = 0; side < 2; ++side) {
      const int plane = side * channels + c;
      const long slot = ((long)n * 2 * channels + plane) * (long)get_global_size(0) + item;
      depthwise_tile_backward(in[side], slope[side], PLANE(gx, n, plane), PLANE(w, plane, 0),
                              PLANE(partial, 0, 0) + DEPTHWISE_SUMS * slot, t, width);
    }
  }
}
#endif

// ---- GELUGate ----
// y = gelu(a) b with a = x[:, :c], b = x[:, c:]; x: [n, 2 c, h, w], y: [n, c, h, w]; gelu(a) = a P(a),
// P the normal distribution function.
//
// Indices: as Add, over the pixels and channels of y; channel k of y reads channels k and c + k of x.
// Tunables: VEC.

__kernel void gelu_gate(ACTIVATION_IN(x), ACTIVATION_OUT(y), int pixels, int channels, int pixels_per_item,
                        int channels_per_item) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    __global const in_t *a = PLANE(x, n, c), *b = PLANE(x, n, channels + c);
    __global out_t *out = PLANE(y, n, c);
    for (int i = first; i < end; i += VEC) {
      const vec v = load_vec(a + i);
      const vec gelu = v * gate_distribution(v, gate_bell(v));
      store_vec(gelu * load_vec(b + i), end - i, out + i);
    }
  }
}

// ga = gy b (P(a) + a p(a)) with the density p(a) = exp(-a a / 2) / sqrt(2 pi); gb = gy gelu(a).
__kernel void gelu_gate_backward(ACTIVATION_IN(x), ACTIVATION_IN(gy), ACTIVATION_OUT(gx), int pixels,
                                 int channels, int pixels_per_item, int channels_per_item) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    __global const in_t *a = PLANE(x, n, c), *b = PLANE(x, n, channels + c);
    __global const in_t *g = PLANE(gy, n, c);
    __global out_t *ga = PLANE(gx, n, c), *gb = PLANE(gx, n, channels + c);
    for (int i = first; i < end; i += VEC) {
      const vec v = load_vec(a + i), grad = load_vec(g + i);
      const vec bell = gate_bell(v);
      const vec p = gate_distribution(v, bell);
      const vec slope = p + 0.3989423f * v * bell;
      store_vec(grad * load_vec(b + i) * slope, end - i, ga + i);
      store_vec(grad * v * p, end - i, gb + i);
    }
  }
}

// ---- PixelShuffle ----
// y[n, c, 2 i + k, 2 j + l] = x[n, 4 c + 2 k + l, i, j]; x: [n, 4 c, h, w], y: [n, c, 2 h, 2 w]. Unshuffle is
// the inverse, and each is the other's gradient. height, width, channels: h, w, c.
//
// Indices, of one pixel of x in the four channels of one of y:
//
//   x channel 4 c      a .         y channel c    a b
//             4 c + 1  b .    ->                  d e
//             4 c + 2  d .
//             4 c + 3  e .
//
// A CPU work-item takes `rows_per_item` rows of x (dimension 0) in `channels_per_item` channels of y (1) of one image (2);
// elsewhere one pixel of x in one channel of y.
// Tunables: SHUFFLE_VEC, pixels of x that a CPU shuffles at once.

#ifdef CPU_DEVICE
#define SHUFFLE_VEC 8
INLINE void shuffle_columns(__global const in_t *a, __global const in_t *b, __global out_t *out,
                            int count) {
  float16 v;
  v.even = READ_WIDE(8, a);
  v.odd = READ_WIDE(8, b);
  store_lanes(v, 2 * count, out);
}
INLINE void unshuffle_columns(__global const in_t *in, __global out_t *a, __global out_t *b,
                              int count) {
  const float16 v = READ_WIDE(16, in);
  store_lanes((float16)(v.even, v.even), min(count, 8), a);
  store_lanes((float16)(v.odd, v.odd), min(count, 8), b);
}
#else
#define SHUFFLE_VEC 1
INLINE void shuffle_columns(__global const in_t *a, __global const in_t *b, __global out_t *out,
                            int count) {
  if (count > 0) WRITE_WIDE(2, (float2)(READ(a), READ(b)), out);
}
INLINE void unshuffle_columns(__global const in_t *in, __global out_t *a, __global out_t *b,
                              int count) {
  const float2 v = READ_WIDE(2, in);
  if (count <= 0) return;
  WRITE(v.x, a);
  WRITE(v.y, b);
}
#endif

__kernel void pixel_shuffle(ACTIVATION_IN(x), ACTIVATION_OUT(y), int channels, int height, int width,
                            int rows_per_item, int channels_per_item) {
  const int item = (int)get_global_id(0), n = (int)get_global_id(2);
  const int first = channels_per_item * (int)get_global_id(1);
#ifdef CPU_DEVICE
  const int row = item * rows_per_item, column = 0, last_column = width;
#else
  const int row = item / width * rows_per_item, column = item % width, last_column = column + 1;
#endif
  const int last_row = min(height, row + rows_per_item);
  for (int c = first; c < min(channels, first + channels_per_item); ++c)
    for (int i = row; i < last_row; ++i)
      for (int k = 0; k < 2; ++k) {
        __global const in_t *a = PLANE(x, n, 4 * c + 2 * k) + (long)i * width;
        __global const in_t *b = PLANE(x, n, 4 * c + 2 * k + 1) + (long)i * width;
        __global out_t *out = PLANE(y, n, c) + (2 * (long)i + k) * (2 * (long)width);
        for (int j = column; j < last_column; j += SHUFFLE_VEC)
          shuffle_columns(a + j, b + j, out + 2 * j, last_column - j);
      }
}

__kernel void pixel_unshuffle(ACTIVATION_IN(x), ACTIVATION_OUT(y), int channels, int height, int width,
                              int rows_per_item, int channels_per_item) {
  const int item = (int)get_global_id(0), n = (int)get_global_id(2);
  const int first = channels_per_item * (int)get_global_id(1);
#ifdef CPU_DEVICE
  const int row = item * rows_per_item, column = 0, last_column = width;
#else
  const int row = item / width * rows_per_item, column = item % width, last_column = column + 1;
#endif
  const int last_row = min(height, row + rows_per_item);
  for (int c = first; c < min(channels, first + channels_per_item); ++c)
    for (int i = row; i < last_row; ++i)
      for (int k = 0; k < 2; ++k) {
        __global const in_t *in = PLANE(x, n, c) + (2 * (long)i + k) * (2 * (long)width);
        __global out_t *a = PLANE(y, n, 4 * c + 2 * k) + (long)i * width;
        __global out_t *b = PLANE(y, n, 4 * c + 2 * k + 1) + (long)i * width;
        for (int j = column; j < last_column; j += SHUFFLE_VEC)
          unshuffle_columns(in + 2 * j, a + j, b + j, last_column - j);
      }
}

// ---- Concat ----
// y[:, :p] = a, y[:, p:] = b; a: [n, p, h, w], b: [n, q, h, w], y: [n, p + q, h, w].
//
// Indices: as Add, over the pixels and channels of y:  | a: 0 .. p - 1 | b: p .. p + q - 1 |
// Tunables: VEC.

__kernel void concat(ACTIVATION_IN(a), ACTIVATION_IN(b), ACTIVATION_OUT(y), int pixels, int channels,
                     int pixels_per_item, int channels_per_item, int channels_of_a) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    __global const in_t *in =
        c < channels_of_a ? PLANE(a, n, c) : PLANE(b, n, c - channels_of_a);
    __global out_t *out = PLANE(y, n, c);
    for (int i = first; i < end; i += VEC) store_vec(load_vec(in + i), end - i, out + i);
  }
}

// ---- ChannelSlice ----
// y = x[:, offset : offset + count]. The gradient puts gy back between zeros.
//
// Indices: as Add, over the pixels and channels of what is written:  x  | .. | offset .. offset + count - 1 | .. |
// Tunables: VEC.

__kernel void channel_slice(ACTIVATION_IN(x), ACTIVATION_OUT(y), int pixels, int channels,
                            int pixels_per_item, int channels_per_item, int offset) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    __global const in_t *in = PLANE(x, n, offset + c);
    __global out_t *out = PLANE(y, n, c);
    for (int i = first; i < end; i += VEC) store_vec(load_vec(in + i), end - i, out + i);
  }
}

__kernel void channel_slice_backward(ACTIVATION_IN(gy), ACTIVATION_OUT(gx), int pixels, int channels,
                                     int pixels_per_item, int channels_per_item, int offset,
                                     int count) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    const bool inside = c >= offset && c < offset + count;
    __global const in_t *in = PLANE(gy, n, inside ? c - offset : 0);
    __global out_t *out = PLANE(gx, n, c);
    for (int i = first; i < end; i += VEC)
      store_vec(inside ? load_vec(in + i) : (vec)(0.0f), end - i, out + i);
  }
}

// ---- PixelLoss ----
// With d = prediction - target over all N elements of [n, c, h, w]:
//
//   y = 1/N sum f(d),   l1 = 1/N sum |d|,   mse = 1/N sum d d
//
// f by `kind`, LOSS_L1: |d| (its slope at 0 is 0); LOSS_MSE: d d; else sqrt(d d + epsilon epsilon).
//
// Indices. Sums run in two stages:
//
//   plane (n, c):  | chunk | chunk | .. |      a work-group per chunk (dimension 0), one partial sum of each kind
//   partial:       [3][n][c][groups]            then a work-group for each of the three
//
// Tunables: VEC; GROUP_SIZE, the items of a group. LOSS_L1 and LOSS_MSE are fixed.

#ifndef LOSS_L1
#error "LOSS_L1: the number of this kind, such as 0"
#endif
#ifndef LOSS_MSE
#error "LOSS_MSE: the number of this kind; any other is the Charbonnier loss, such as 1"
#endif

INLINE vec pixel_loss_value(vec d, int kind, float epsilon) {
  return kind == LOSS_L1 ? fabs(d) : kind == LOSS_MSE ? d * d : sqrt(d * d + epsilon * epsilon);
}

INLINE vec pixel_loss_slope(vec d, int kind, float epsilon) {
  return kind == LOSS_L1    ? sign(d)
         : kind == LOSS_MSE ? 2.0f * d
                            : d / sqrt(d * d + epsilon * epsilon);
}

// A work-group sums `chunk` elements of one plane; `count` partial sums of a kind.
__kernel void pixel_loss(TENSOR_IN(prediction), TENSOR_IN(target), TENSOR_OUT(partial), int pixels,
                         int chunk, int count, int kind, float epsilon) {
  __local float shared[GROUP_SIZE];
  const int group = (int)get_group_id(0), c = (int)get_global_id(1), n = (int)get_global_id(2);
  const int end = min(pixels, (group + 1) * chunk), step = VEC * (int)get_local_size(0);
  __global const float *p = PLANE(prediction, n, c), *t = PLANE(target, n, c);
  float loss = 0.0f, l1 = 0.0f, mse = 0.0f;
  // Sums of 64 values each, then their sum: the rounding error stays small in long planes.
  for (int block = group * chunk; block < end; block += 64 * step) {
    vec values = (vec)(0.0f), sizes = (vec)(0.0f), squares = (vec)(0.0f);
    const int block_end = min(end, block + 64 * step);
    for (int i = block + VEC * (int)get_local_id(0); i < block_end; i += step) {
      const vec d = keep_vec(LOAD_VEC(p + i) - LOAD_VEC(t + i), end - i);
      values += keep_vec(pixel_loss_value(d, kind, epsilon), end - i);
      sizes += fabs(d);
      squares += d * d;
    }
    loss += sum_vec(values);
    l1 += sum_vec(sizes);
    mse += sum_vec(squares);
  }
  loss = group_sum(loss, shared);
  l1 = group_sum(l1, shared);
  mse = group_sum(mse, shared);
  if (get_local_id(0) != 0) return;
  const long plane = (long)n * (long)get_global_size(1) + c;
  __global float *out = PLANE(partial, 0, 0) + plane * (long)get_num_groups(0) + group;
  out[0] = loss;
  out[count] = l1;
  out[2 * count] = mse;
}

// A work-group for each of the three means; scale: 1 / number of elements.
__kernel void pixel_loss_sum(TENSOR_IN(partial), TENSOR_OUT(y), TENSOR_OUT(l1), TENSOR_OUT(mse),
                               int count, float scale) {
  __local float shared[GROUP_SIZE];
  const int kind = (int)get_group_id(0);
  const float sum = sum_of_partials(PLANE(partial, 0, 0) + kind * count, count, shared);
  if (get_local_id(0) == 0)
    *(kind == 0 ? PLANE(y, 0, 0) : kind == 1 ? PLANE(l1, 0, 0) : PLANE(mse, 0, 0)) = scale * sum;
}

// The gradient of the prediction; gy: one number; scale: 1 / number of elements.
__kernel void pixel_loss_backward(TENSOR_IN(prediction), TENSOR_IN(target), TENSOR_IN(gy),
                                  ACTIVATION_OUT(gx), int pixels, int channels, int pixels_per_item,
                                  int channels_per_item, int kind, float epsilon, float scale) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  const float factor = scale * *PLANE(gy, 0, 0);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c) {
    __global const float *p = PLANE(prediction, n, c), *t = PLANE(target, n, c);
    __global out_t *out = PLANE(gx, n, c);
    for (int i = first; i < end; i += VEC) {
      const vec d = LOAD_VEC(p + i) - LOAD_VEC(t + i);
      store_vec(factor * pixel_loss_slope(d, kind, epsilon), end - i, out + i);
    }
  }
}

// ---- SumOfSquares ----
// y = sum of x x over all elements, in two stages; NaN and infinity stay visible.
//
// Indices: a work-group per chunk (dimension 0) of a plane (1, 2), partial: [n][c][groups]; then one group for all of them.
// Tunables: VEC; GROUP_SIZE, the items of a group.

// A work-group sums `chunk` elements of one plane. partial: [n][c][groups].
__kernel void sum_of_squares(TENSOR_IN(x), TENSOR_OUT(partial), int pixels, int chunk) {
  __local float shared[GROUP_SIZE];
  const int group = (int)get_group_id(0), c = (int)get_global_id(1), n = (int)get_global_id(2);
  const int end = min(pixels, (group + 1) * chunk), step = VEC * (int)get_local_size(0);
  __global const float *in = PLANE(x, n, c);
  float total = 0.0f;
  for (int block = group * chunk; block < end; block += 64 * step) {
    vec sum = (vec)(0.0f);
    const int block_end = min(end, block + 64 * step);
    for (int i = block + VEC * (int)get_local_id(0); i < block_end; i += step) {
      const vec v = keep_vec(load_vec(in + i), end - i);
      sum += v * v;
    }
    total += sum_vec(sum);
  }
  total = group_sum(total, shared);
  const long plane = (long)n * (long)get_global_size(1) + c;
  if (get_local_id(0) == 0)
    PLANE(partial, 0, 0)[plane * (long)get_num_groups(0) + group] = total;
}

__kernel void sum_of_squares_sum(TENSOR_IN(partial), TENSOR_OUT(y), int count) {
  __local float shared[GROUP_SIZE];
  const float sum = sum_of_partials(PLANE(partial, 0, 0), count, shared);
  if (get_global_id(0) == 0) *PLANE(y, 0, 0) = sum;
}

// ---- SliceSums ----
// y_k[i] = sum_s partial_k[s * count_k + i], s < slices_k, in order, for up to SLICE_SUMS sums k at once.
//
// Indices:  sum k (dimension 1), elements VEC i .. VEC i + VEC - 1 (dimension 0), of each of which an item adds up a column:
//
//   partial_k   slice 0  | . i . |
//               slice 1  | . i . |
//               ..           v
//   y_k                  | . i . |
//
// Tunables: VEC. SLICE_SUMS is fixed.

#ifndef SLICE_SUMS
#error "SLICE_SUMS: sums that one launch adds up, the parameters of slice_sums, such as 8"
#endif
#if SLICE_SUMS != 8
#error "slice_sums has parameters for 8 sums"
#endif

#define SLICED(k) \
  __global const float *restrict partial##k, ulong partial_offset##k, __global float *restrict y##k, \
      ulong y_offset##k, int count##k, int slices##k
#define ADD_SLICES(k) \
  case k: \
    slice_sum(partial##k + partial_offset##k, y##k + y_offset##k, count##k, slices##k); \
    break

INLINE void slice_sum(__global const float *partial, __global float *y, int count, int slices) {
  const int first = VEC * (int)get_global_id(0);
  if (first >= count) return;
  vec total = load_vec(partial + first);
  for (int s = 1; s < slices; ++s) total += load_vec(partial + (ulong)s * count + first);
  store_vec(total, count - first, y + first);
}

__kernel void slice_sums(
    SLICED(0), SLICED(1), SLICED(2), SLICED(3), SLICED(4), SLICED(5), SLICED(6), SLICED(7)) {
  switch ((int)get_global_id(1)) {
    ADD_SLICES(0);
    ADD_SLICES(1);
    ADD_SLICES(2);
    ADD_SLICES(3);
    ADD_SLICES(4);
    ADD_SLICES(5);
    ADD_SLICES(6);
    ADD_SLICES(7);
  }
}

// ---- Fill ----
// y = value everywhere.
//
// Indices: as Add.
// Tunables: VEC.

__kernel void fill(TENSOR_OUT(y), int pixels, int channels, int pixels_per_item,
                   int channels_per_item, float value) {
  const int n = (int)get_global_id(2), first = pixels_per_item * (int)get_global_id(0);
  const int end = min(pixels, first + pixels_per_item);
  const int first_channel = channels_per_item * (int)get_global_id(1);
  for (int c = first_channel; c < min(channels, first_channel + channels_per_item); ++c)
    for (int i = first; i < end; i += VEC) store_vec((vec)(value), end - i, PLANE(y, n, c) + i);
}

// ---- Optimizer ----
// Updates over contiguous vectors of `count` numbers: adamw_step, sgd_step, and y = alpha x + beta y.
//
// Indices: one dimension; item k has the elements per_item k .. per_item (k + 1) - 1. Outputs may lie on the inputs of the
// same name: every element is read before it is written, by one work-item.
// Tunables: VEC.

// hyper: 1 - rate decay, 1 - beta1, beta2, 1 - beta2, rate / (1 - beta1^t), sqrt(1 - beta2^t), epsilon,
// gradient scale.
// m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g g;
// p = (1 - rate decay) p - rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon).
__kernel void adamw_step(TENSOR_IN_SHARED(p), TENSOR_IN_SHARED(g), TENSOR_IN_SHARED(m),
                         TENSOR_IN_SHARED(v), TENSOR_IN_SHARED(hyper), TENSOR_OUT_SHARED(p_new),
                         TENSOR_OUT_SHARED(m_new), TENSOR_OUT_SHARED(v_new), int count,
                         int per_item) {
  const int first = per_item * (int)get_global_id(0), end = min(count, first + per_item);
  const float keep = *PLANE(hyper, 0, 0), rest1 = *PLANE(hyper, 0, 1);
  const float beta2 = *PLANE(hyper, 0, 2), rest2 = *PLANE(hyper, 0, 3);
  const float rate = *PLANE(hyper, 0, 4), correction2 = *PLANE(hyper, 0, 5);
  const float epsilon = *PLANE(hyper, 0, 6), scale = *PLANE(hyper, 0, 7);
  for (int i = first; i < end; i += VEC) {
    const vec grad = scale * load_vec(PLANE(g, 0, 0) + i);
    const vec old = load_vec(PLANE(m, 0, 0) + i);
    const vec mean = old + rest1 * (grad - old);
    const vec square = beta2 * load_vec(PLANE(v, 0, 0) + i) + rest2 * grad * grad;
    const vec step = rate * mean / (sqrt(square) / correction2 + epsilon);
    const vec next = keep * load_vec(PLANE(p, 0, 0) + i) - step;
    store_vec(next, end - i, PLANE(p_new, 0, 0) + i);
    store_vec(mean, end - i, PLANE(m_new, 0, 0) + i);
    store_vec(square, end - i, PLANE(v_new, 0, 0) + i);
  }
}

// hyper: rate, momentum, weight decay, gradient scale.
// m = momentum m + g + decay p; p -= rate m.
__kernel void sgd_step(TENSOR_IN_SHARED(p), TENSOR_IN_SHARED(g), TENSOR_IN_SHARED(m),
                       TENSOR_IN_SHARED(hyper), TENSOR_OUT_SHARED(p_new), TENSOR_OUT_SHARED(m_new),
                       int count, int per_item) {
  const int first = per_item * (int)get_global_id(0), end = min(count, first + per_item);
  const float rate = *PLANE(hyper, 0, 0), momentum = *PLANE(hyper, 0, 1);
  const float decay = *PLANE(hyper, 0, 2), scale = *PLANE(hyper, 0, 3);
  for (int i = first; i < end; i += VEC) {
    const vec old = load_vec(PLANE(p, 0, 0) + i);
    const vec grad = scale * load_vec(PLANE(g, 0, 0) + i) + decay * old;
    const vec velocity = momentum * load_vec(PLANE(m, 0, 0) + i) + grad;
    store_vec(old - rate * velocity, end - i, PLANE(p_new, 0, 0) + i);
    store_vec(velocity, end - i, PLANE(m_new, 0, 0) + i);
  }
}

// y = alpha x + beta y.
__kernel void axpby(TENSOR_IN_SHARED(x), TENSOR_IN_SHARED(y), TENSOR_OUT_SHARED(y_new), int count,
                    int per_item, float alpha, float beta) {
  const int first = per_item * (int)get_global_id(0), end = min(count, first + per_item);
  for (int i = first; i < end; i += VEC) {
    const vec sum = alpha * load_vec(PLANE(x, 0, 0) + i) + beta * load_vec(PLANE(y, 0, 0) + i);
    store_vec(sum, end - i, PLANE(y_new, 0, 0) + i);
  }
}

// ---- Conv1x1 ----
// y[n, o, p] = sum_i W[o, i] x[n, i, p] (+ b[o]) (+ r[n, o, p]): a matrix product over pixels p. r may be y itself.
// x: [n, ci, h, w]; W: [co, ci, 1, 1]; W(o, i) lies at w[o * w_row + i * w_column], so that the same kernel multiplies with
// the transpose.
//
// Indices: dimension 0 blocks of pixels, 1 blocks of output channels, 2 images.
//
//                         x   | column of x |   in_channels high
//                               v
//   W  | BLOCK_ROWS rows | ->  y  | BLOCK_ROWS x BLOCK_COLUMNS in registers |
//
// conv1x1: an item has BLOCK_COLUMNS pixels and goes through `rows` output channels, BLOCK_ROWS at a time. conv1x1_tiles: a
// group has TILE_COLUMNS pixels and TILE_ROWS output channels, of which an item has TILE_ITEM_COLUMNS by TILE_ITEM_ROWS.
// Tunables: VECTOR_WIDTH, BLOCK_VECTORS and BLOCK_ROWS for CPUs; for GPUs TILE_ITEM_ROWS, TILE_ITEM_COLUMNS, TILE_ROW_ITEMS,
// TILE_COLUMN_ITEMS, TILE_DEPTH and TILE_WIDE, and for the weight's gradient NT_SIDE and NT_ACROSS.

__kernel void conv1x1(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_IN_SHARED(r), ACTIVATION_OUT_SHARED(y), int pixels,
    int in_channels, int out_channels, int w_row, int w_column, int rows, int has_bias, int has_residual) {
  const int first = BLOCK_COLUMNS * (int)get_global_id(0);
  if (first >= pixels) return;
  const int row_begin = rows * (int)get_global_id(1);
  const int n = (int)get_global_id(2);
  product(
      PLANE(x, n, 0), x_plane, PLANE(w, 0, 0), w_row, w_column, has_bias ? PLANE(b, 0, 0) : 0,
      has_residual ? PLANE(r, n, 0) : 0, r_plane, 0, PLANE(y, n, 0), y_plane, first, pixels,
      in_channels, row_begin, min(row_begin + rows, out_channels));
}

#ifndef CPU_DEVICE
#ifndef TILE_DEPTH
#error "TILE_DEPTH: input channels of a tile in local memory, such as 8"
#endif
#ifndef TILE_ITEM_ROWS
#error "TILE_ITEM_ROWS: output channels of one work-item, such as 6"
#endif
#ifndef TILE_ITEM_COLUMNS
#error "TILE_ITEM_COLUMNS: pixels of one work-item, whole vectors of 4, such as 8"
#endif
#ifndef TILE_ROW_ITEMS
#error "TILE_ROW_ITEMS: work-items of a group along output channels, such as 8"
#endif
#ifndef TILE_COLUMN_ITEMS
#error "TILE_COLUMN_ITEMS: work-items of a group along pixels, such as 32"
#endif
#ifndef TILE_WIDE
#error "TILE_WIDE: 1 where weights can be read by fours, along the direction in which they follow each other, such as 1"
#endif
#define TILE_ROWS (TILE_ITEM_ROWS * TILE_ROW_ITEMS)
#define TILE_COLUMNS (TILE_ITEM_COLUMNS * TILE_COLUMN_ITEMS)
#define TILE_ITEMS (TILE_ROW_ITEMS * TILE_COLUMN_ITEMS)
#define TILE_VECTORS (TILE_ITEM_COLUMNS / 4)
#if TILE_WIDE
typedef float4 tile_weights;
#define TILE_W_STEP 4
#else
typedef float tile_weights;
#define TILE_W_STEP 1
#endif
// What an item brings into local memory at each step: vectors of x, and weights.
#define TILE_X_COUNT (TILE_DEPTH * TILE_COLUMNS / 4)
#define TILE_W_COUNT (TILE_DEPTH * TILE_ROWS / TILE_W_STEP)
#define TILE_X_IS_WHOLE (TILE_X_COUNT % TILE_ITEMS == 0)
#define TILE_X_SHARE ((TILE_X_COUNT + TILE_ITEMS - 1) / TILE_ITEMS)
#define TILE_W_SHARE ((TILE_W_COUNT + TILE_ITEMS - 1) / TILE_ITEMS)
// Columns more than used spread a column of weights over the memory banks, and for a matrix unit those of x too.
#define TILE_PITCH (TILE_ROWS + (MATRIX_UNIT ? 8 : 2))
#define TILE_X_PITCH (TILE_COLUMNS / 4 + (MATRIX_UNIT ? 2 : 0))
#define TILE_X_MEMORY (TILE_DEPTH * TILE_X_PITCH)
// Where vector e of a tile of x lies, and where its float e does.
#define TILE_X_PLACE(e) (MATRIX_UNIT ? (e) / (TILE_COLUMNS / 4) * TILE_X_PITCH + (e) % (TILE_COLUMNS / 4) : (e))
#define TILE_X_FLOAT(e) (MATRIX_UNIT ? (e) / TILE_COLUMNS * 4 * TILE_X_PITCH + (e) % TILE_COLUMNS : (e))
// The first row and vector of an item's results in the tile, and where its others lie from there. The vectors of an item lie
// apart, so that neighbouring items touch neighbouring vectors.
#if MATRIX_UNIT
// A warp has 8 TILE_ITEM_ROWS rows and 4 TILE_VECTORS vectors.
#define TILE_WARPS (TILE_COLUMN_ITEMS / 4)
#define TILE_ROW (8 * TILE_ITEM_ROWS * (MATRIX_WARP / TILE_WARPS) + MATRIX_ROW)
#define TILE_VECTOR (4 * TILE_VECTORS * (MATRIX_WARP % TILE_WARPS) + 2 * MATRIX_STEP)
#define TILE_NEXT_ROW(i) (8 * (i))
#define TILE_NEXT_VECTOR(j) ((j) / 2 * 8 + (j) % 2)
#else
#define TILE_ROW ((int)get_local_id(0) / TILE_COLUMN_ITEMS * TILE_ITEM_ROWS)
#define TILE_VECTOR ((int)get_local_id(0) % TILE_COLUMN_ITEMS)
#define TILE_NEXT_ROW(i) (i)
#define TILE_NEXT_VECTOR(j) ((j) * TILE_COLUMN_ITEMS)
#endif
// Input and output channel of what an item brings of the weights. Neighbouring items take neighbouring weights, whichever way the
// matrix is read.
#define TILE_W_K(e) (w_column == 1 ? (e) * TILE_W_STEP % TILE_DEPTH : (e) * TILE_W_STEP / TILE_ROWS)
#define TILE_W_ROW(e) (w_column == 1 ? (e) * TILE_W_STEP / TILE_DEPTH : (e) * TILE_W_STEP % TILE_ROWS)

// Where an item's weights of the first tile lie. Output channels beyond the end repeat the last ones.
INLINE void tile_weights_from(
    __global const float *w, int w_row, int w_column, int row_begin, int out_channels,
    __global const float *from[TILE_W_SHARE]) {
  const int last = out_channels - (w_column == 1 ? 1 : TILE_W_STEP);
#pragma unroll
  for (int i = 0; i < TILE_W_SHARE; ++i) {
    const int e = (int)get_local_id(0) + i * TILE_ITEMS;
    from[i] = w + (ulong)min(row_begin + TILE_W_ROW(e), last) * w_row + (ulong)TILE_W_K(e) * w_column;
  }
}

// An item's weights of the tile that starts at input channel `begin`: zero beyond the last channel.
INLINE void tile_weights_fetch(
    __global const float *const from[TILE_W_SHARE], int w_column, int begin, int in_channels,
    tile_weights next[TILE_W_SHARE]) {
#pragma unroll
  for (int i = 0; i < TILE_W_SHARE; ++i) {
    const int e = (int)get_local_id(0) + i * TILE_ITEMS;
    next[i] = (tile_weights)(0.0f);
    if (e < TILE_W_COUNT && begin + TILE_W_K(e) < in_channels)
      next[i] = *(__global const tile_weights *)(from[i] + (ulong)begin * w_column);
  }
}

INLINE void tile_weights_put(const tile_weights next[TILE_W_SHARE], int w_column, __local float *tile) {
#pragma unroll
  for (int i = 0; i < TILE_W_SHARE; ++i) {
    const int e = (int)get_local_id(0) + i * TILE_ITEMS;
    if (e >= TILE_W_COUNT) break;
    __local float *place = tile + TILE_W_K(e) * TILE_PITCH + TILE_W_ROW(e);
#if TILE_WIDE
    const int step = w_column == 1 ? TILE_PITCH : 1;
    place[0] = next[i].x;
    place[step] = next[i].y;
    place[2 * step] = next[i].z;
    place[3 * step] = next[i].w;
#else
    *place = next[i];
#endif
  }
}

// Adds an item's share of the product of two tiles to `sum`.
#if MATRIX_UNIT
// Column c of the unit's products t = 0 to 3 is pixel 4 c + t: an item's columns are whole vectors.
#define MATRIX_PIXEL(t) \
  { \
    const float4 c = matrix_product(a, false, (float2)(near.t, far.t), x_is_half MATRIX_ARGUMENT); \
    sum[i][j].t += c.x; \
    sum[i][j + 1].t += c.y; \
    sum[i + 1][j].t += c.z; \
    sum[i + 1][j + 1].t += c.w; \
  }

INLINE void tile_product(
    __local const float4 *x_tile, __local const float *w_tile, int row, int column,
    float4 sum[TILE_ITEM_ROWS][TILE_VECTORS] MATRIX_HALF(bool x_is_half) MATRIX_PARAMETER) {
  const int first = column - 2 * MATRIX_STEP + MATRIX_ROW;
  MATRIX_LOOP
  for (int begin = 0; begin < TILE_DEPTH; begin += 8) {
    const int k = begin + MATRIX_STEP;
    MATRIX_LOOP
    for (int j = 0; j < TILE_VECTORS; j += 2) {
      const float4 near = x_tile[k * TILE_X_PITCH + first + 4 * j], far = x_tile[(k + 4) * TILE_X_PITCH + first + 4 * j];
      MATRIX_LOOP
      for (int i = 0; i < TILE_ITEM_ROWS; i += 2) {
        __local const float *w = w_tile + k * TILE_PITCH + row + 8 * i;
        const float4 a = (float4)(w[0], w[8], w[4 * TILE_PITCH], w[4 * TILE_PITCH + 8]);
        MATRIX_PIXEL(x)
        MATRIX_PIXEL(y)
        MATRIX_PIXEL(z)
        MATRIX_PIXEL(w)
      }
    }
  }
}
#else
INLINE void tile_product(
    __local const float4 *x_tile, __local const float *w_tile, int row, int column,
    float4 sum[TILE_ITEM_ROWS][TILE_VECTORS]) {
#pragma unroll
  for (int k = 0; k < TILE_DEPTH; ++k) {
    float4 value[TILE_VECTORS];
#pragma unroll
    for (int j = 0; j < TILE_VECTORS; ++j) value[j] = x_tile[k * (TILE_COLUMNS / 4) + column + j * TILE_COLUMN_ITEMS];
#pragma unroll
    for (int i = 0; i < TILE_ITEM_ROWS; ++i) {
      const float4 weight = (float4)(w_tile[k * TILE_PITCH + row + i]);
#pragma unroll
      for (int j = 0; j < TILE_VECTORS; ++j) sum[i][j] = fma(value[j], weight, sum[i][j]);
    }
  }
}
#endif

// The same product for a GPU. One work-group: TILE_COLUMNS pixels (dimension 0), TILE_ROWS output channels (1) of one
// image (2). Tiles of x and W pass through local memory, in two halves: while one is multiplied, what the other gets is on its
// way.
__kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) void conv1x1_tiles(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_IN_SHARED(r), ACTIVATION_OUT_SHARED(y), int pixels,
    int in_channels, int out_channels, int w_row, int w_column, int has_bias, int has_residual) {
  __local float4 x_tile[2][TILE_X_MEMORY];
  __local float w_tile[2][TILE_DEPTH * TILE_PITCH];
  MATRIX_MEMORY(TILE_ITEMS)
  const int item = (int)get_local_id(0), n = (int)get_group_id(2);
  const int first = TILE_COLUMNS * (int)get_group_id(0), row_begin = TILE_ROWS * (int)get_group_id(1);
  const int column = TILE_VECTOR, row = TILE_ROW;
  // Addresses are worked out once. Pixels beyond the end repeat the last vector: what is computed from them is never stored.
  __global const in_t *x_from[TILE_X_SHARE];
  __global const float *w_from[TILE_W_SHARE];
  const int last = (pixels - 1) / 4 * 4;
#pragma unroll
  for (int i = 0; i < TILE_X_SHARE; ++i) {
    const int e = item + i * TILE_ITEMS;
    x_from[i] = PLANE(x, n, 0) + min(first + e % (TILE_COLUMNS / 4) * 4, last);
  }
  tile_weights_from(PLANE(w, 0, 0), w_row, w_column, row_begin, out_channels, w_from);
  float4 sum[TILE_ITEM_ROWS][TILE_VECTORS], x_next[TILE_X_SHARE];
  tile_weights w_next[TILE_W_SHARE];
#pragma unroll
  for (int i = 0; i < TILE_ITEM_ROWS; ++i)
#pragma unroll
    for (int j = 0; j < TILE_VECTORS; ++j)
      sum[i][j] = (float4)(has_bias ? PLANE(b, 0, 0)[min(row_begin + row + TILE_NEXT_ROW(i), out_channels - 1)] : 0.0f);
  for (int begin = -TILE_DEPTH, half_index = 1; begin < in_channels; begin += TILE_DEPTH, half_index = 1 - half_index) {
    const int next = begin + TILE_DEPTH;
    if (next < in_channels) {
#pragma unroll
      for (int i = 0; i < TILE_X_SHARE; ++i) {
        const int k = (item + i * TILE_ITEMS) / (TILE_COLUMNS / 4);
        // An input channel beyond the last meets a weight of zero.
        x_next[i] = four_at(x_from[i] + (ulong)min(next + k, in_channels - 1) * x_plane);
      }
      tile_weights_fetch(w_from, w_column, next, in_channels, w_next);
    }
    if (begin >= 0) {
      tile_product(x_tile[half_index], w_tile[half_index], row, column, sum MATRIX_HALF(IN_IS_HALF) MATRIX_ARGUMENT);
    }
    if (next < in_channels) {
#pragma unroll
      for (int i = 0; i < TILE_X_SHARE; ++i) {
        const int e = item + i * TILE_ITEMS;
        if (TILE_X_IS_WHOLE || e < TILE_X_COUNT) x_tile[1 - half_index][TILE_X_PLACE(e)] = x_next[i];
      }
      tile_weights_put(w_next, w_column, w_tile[1 - half_index]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (int i = 0; i < TILE_ITEM_ROWS; ++i) {
    const int o = row_begin + row + TILE_NEXT_ROW(i);
    if (o >= out_channels) break;
    __global out_t *out = PLANE(y, n, o);
    __global const in_t *residual = PLANE(r, n, o);
#pragma unroll
    for (int j = 0; j < TILE_VECTORS; ++j) {
      const int p = first + 4 * (column + TILE_NEXT_VECTOR(j));
      // Behind the last pixel a residual may be read: what is added to it there is not stored.
      if (p < pixels) put_four(has_residual ? sum[i][j] + four_at(residual + p) : sum[i][j], pixels - p, out + p);
    }
  }
}

// y = W norm(x) (+ b) for a GPU in one pass, in the same tiles: norm is LayerNorm with weight gamma and perhaps bias beta.
// With d = x - x_0, the first channel's value, r the inverse deviation of a pixel and W' = W diag(gamma), centred
// y = r (W' d - mean(d) W' 1) + W beta, else y = r (W' d + x_0 W' 1). What W' and beta add up to is worked out first, a row of W by
// TILE_PARTS items; d and its squares are added up from the tiles, a pixel by the items that are a multiple of TILE_COLUMNS apart.
#define TILE_PARTS 8

// (W' 1, W beta + b) of every output channel of the tile.
INLINE void norm_row_sums(
    __global const float *w, __global const float *gamma, __global const float *beta, __global const float *b,
    int row_begin, int in_channels, int out_channels, int is_centred, int has_bias, __local float2 *parts,
    __local float2 *sums) {
  const int item = (int)get_local_id(0);
  for (int e = item; e < TILE_ROWS * TILE_PARTS; e += TILE_ITEMS) {
    __global const float *row = w + (ulong)min(row_begin + e / TILE_PARTS, out_channels - 1) * in_channels;
    float2 sum = (float2)(0.0f);
    for (int c = e % TILE_PARTS; c < in_channels; c += TILE_PARTS)
      sum = fma((float2)(row[c]), (float2)(gamma[c], is_centred ? beta[c] : 0.0f), sum);
    parts[e] = sum;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int o = item; o < TILE_ROWS; o += TILE_ITEMS) {
    float2 sum = (float2)(0.0f, has_bias ? b[min(row_begin + o, out_channels - 1)] : 0.0f);
    for (int i = 0; i < TILE_PARTS; ++i) sum += parts[o * TILE_PARTS + i];
    sums[o] = sum;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

__kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) void norm_product_tiles(
    ACTIVATION_IN(x), TENSOR_IN(gamma), TENSOR_IN(beta), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_OUT(y),
    int pixels, int in_channels, int out_channels, float eps, int is_centred, int has_bias) {
  __local float4 x_tile[2][TILE_X_MEMORY], origin[TILE_COLUMNS / 4];
  __local float w_tile[2][TILE_DEPTH * TILE_PITCH];
  MATRIX_MEMORY(TILE_ITEMS)
  __local float2 row_sums[TILE_ROWS];
  const int item = (int)get_local_id(0), n = (int)get_group_id(2), w_column = 1;
  const int first = TILE_COLUMNS * (int)get_group_id(0), row_begin = TILE_ROWS * (int)get_group_id(1);
  const int column = TILE_VECTOR, row = TILE_ROW;
  const int own = item % TILE_COLUMNS, last = (pixels - 1) / 4 * 4;
  norm_row_sums(
      PLANE(w, 0, 0), PLANE(gamma, 0, 0), PLANE(beta, 0, 0), PLANE(b, 0, 0), row_begin, in_channels, out_channels,
      is_centred, has_bias, (__local float2 *)x_tile, row_sums);
  for (int e = item; e < TILE_COLUMNS / 4; e += TILE_ITEMS) origin[e] = four_at(PLANE(x, n, 0) + min(first + 4 * e, last));
  barrier(CLK_LOCAL_MEM_FENCE);
  __global const in_t *x_from[TILE_X_SHARE];
  __global const float *w_from[TILE_W_SHARE], *gamma_from[TILE_W_SHARE];
#pragma unroll
  for (int i = 0; i < TILE_X_SHARE; ++i) {
    const int e = item + i * TILE_ITEMS;
    x_from[i] = PLANE(x, n, 0) + min(first + e % (TILE_COLUMNS / 4) * 4, last);
  }
  tile_weights_from(PLANE(w, 0, 0), in_channels, w_column, row_begin, out_channels, w_from);
#pragma unroll
  for (int i = 0; i < TILE_W_SHARE; ++i) gamma_from[i] = PLANE(gamma, 0, 0) + TILE_W_K(item + i * TILE_ITEMS);
  float4 sum[TILE_ITEM_ROWS][TILE_VECTORS], x_next[TILE_X_SHARE];
  tile_weights w_next[TILE_W_SHARE], gamma_next[TILE_W_SHARE];
  float total = 0.0f, square = 0.0f;
#pragma unroll
  for (int i = 0; i < TILE_ITEM_ROWS; ++i)
#pragma unroll
    for (int j = 0; j < TILE_VECTORS; ++j) sum[i][j] = (float4)(0.0f);
  for (int begin = -TILE_DEPTH, half_index = 1; begin < in_channels; begin += TILE_DEPTH, half_index = 1 - half_index) {
    const int next = begin + TILE_DEPTH;
    if (next < in_channels) {
#pragma unroll
      for (int i = 0; i < TILE_X_SHARE; ++i) {
        const int k = next + (item + i * TILE_ITEMS) / (TILE_COLUMNS / 4);
        // Instead of a channel beyond the last comes the first: its d is zero.
        x_next[i] = four_at(x_from[i] + (k < in_channels ? k : 0) * x_plane);
      }
      tile_weights_fetch(w_from, w_column, next, in_channels, w_next);
      tile_weights_fetch(gamma_from, w_column, next, in_channels, gamma_next);
    }
    if (begin >= 0) {
      tile_product(x_tile[half_index], w_tile[half_index], row, column, sum MATRIX_HALF(false) MATRIX_ARGUMENT);
#pragma unroll
      for (int k = 0; k < TILE_DEPTH * TILE_COLUMNS / TILE_ITEMS; ++k) {
        const float d = ((__local const float *)x_tile[half_index])[TILE_X_FLOAT(k * TILE_ITEMS + item)];
        total += d;
        square = fma(d, d, square);
      }
    }
    if (next < in_channels) {
#pragma unroll
      for (int i = 0; i < TILE_X_SHARE; ++i) {
        const int e = item + i * TILE_ITEMS;
        // TILE_ITEMS is a multiple of TILE_COLUMNS: all vectors of an item are of the same pixels.
        if (TILE_X_IS_WHOLE || e < TILE_X_COUNT)
          x_tile[1 - half_index][TILE_X_PLACE(e)] = x_next[i] - origin[item % (TILE_COLUMNS / 4)];
      }
#pragma unroll
      for (int i = 0; i < TILE_W_SHARE; ++i) w_next[i] *= gamma_next[i];
      tile_weights_put(w_next, w_column, w_tile[1 - half_index]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  // The tiles have served: now each pixel's centre and inverse deviation lie in their place.
  __local float *centre = (__local float *)x_tile, *inverse = centre + TILE_ITEMS;
  centre[item] = total;
  inverse[item] = square;
  barrier(CLK_LOCAL_MEM_FENCE);
  float mean = 0.0f, spread = 0.0f;
  for (int e = own; e < TILE_ITEMS; e += TILE_COLUMNS) {
    mean += centre[e];
    spread += inverse[e];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  mean /= in_channels;
  spread = spread / in_channels - mean * mean;
  // All items of a pixel have the same. A comparison, unlike fmax, keeps NaN.
  centre[own] = is_centred ? mean : -((__local const float *)origin)[own];
  inverse[own] = 1.0f / sqrt((spread < 0.0f ? 0.0f : spread) + eps);
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int j = 0; j < TILE_VECTORS; ++j) {
    const int vector_index = column + TILE_NEXT_VECTOR(j), p = first + 4 * vector_index;
    if (p >= pixels) break;
    const float4 middle = ((__local const float4 *)centre)[vector_index];
    const float4 r = ((__local const float4 *)inverse)[vector_index];
#pragma unroll
    for (int i = 0; i < TILE_ITEM_ROWS; ++i) {
      const int o = row_begin + row + TILE_NEXT_ROW(i);
      if (o >= out_channels) break;
      const float2 of_row = row_sums[row + TILE_NEXT_ROW(i)];
      const float4 value = fma(r, sum[i][j] - middle * of_row.x, (float4)(of_row.y));
      put_four(value, pixels - p, PLANE(y, n, o) + p);
    }
  }
}
#endif

#ifdef CPU_DEVICE
// Partial sums of S[a, c] = sum_{n, p} left[n, a, p] right[n, c, p]: gW with left = gy and right = x, or its transpose
// with the two exchanged. One work-item: `panels` panels of right channels (dimension 0), `rows` left channels (1), one
// slice of the pixels of all images (2). partial: [slice][a][pitch], pitch the right channels in whole panels.
__kernel void conv1x1_backward_weight(
    ACTIVATION_IN(left), ACTIVATION_IN(right), __global float *restrict partial, ulong partial_offset, int pixels,
    int left_channels, int right_channels, int images, int slice, int rows, int panels, int pitch) {
  const int first = PANEL_CHANNELS * panels * (int)get_global_id(0), row = rows * (int)get_global_id(1);
  const int s = (int)get_global_id(2);
  if (first >= right_channels || row >= left_channels) return;
  const int height = min(rows, left_channels - row), last = min(first + PANEL_CHANNELS * panels, pitch);
  __global float *sum = partial + partial_offset + ((ulong)s * left_channels + row) * pitch;
  for (int a = 0; a < height; ++a)
    for (int c = first; c < last; c += VECTOR_WIDTH) STORE((vector)(0.0f), sum + (ulong)a * pitch + c);
  const int end = min((s + 1) * slice, pixels);
  float panel[PANEL_PIXELS * PANEL_CHANNELS];
  for (int n = 0; n < images; ++n)
    for (int p = s * slice; p < end; p += PANEL_PIXELS)
      for (int c = first; c < last; c += PANEL_CHANNELS) {
        const int count = min(PANEL_PIXELS, end - p), width = min(PANEL_CHANNELS, right_channels - c);
        transpose_panel(PLANE(right, n, c) + p, right_plane, width, count, panel);
        panel_product(
            PLANE(left, n, row) + p, left_plane, 0, panel, 0, 1, count, sum + c, pitch, height, PANEL_CHANNELS);
      }
}
#endif

// The same partial sums as a GPU adds them up; on a CPU for comparison alone. One work-group: NT_TILE input (dimension 0) and
// output channels (1), one slice of pixels (2). The sum over several runs and images grows where it is to lie: a rounding for
// each run, not for each pixel.
__kernel __attribute__((reqd_work_group_size(NT_GROUP, 1, 1))) void conv1x1_backward_weight_tiles(
    ACTIVATION_IN(x), ACTIVATION_IN(g), __global float *restrict partial, ulong partial_offset, int pixels,
    int in_channels, int out_channels, int images, int slice) {
  __local float2 memory[NT_MEMORY];
  MATRIX_MEMORY(NT_GROUP)
  const int s = (int)get_group_id(2), row = NT_TILE * (int)get_group_id(1), column = NT_TILE * (int)get_group_id(0);
  const int rows = out_channels - row, columns = in_channels - column;
  const int begin = s * slice, end = min(begin + slice, pixels);
  __global float *out = partial + partial_offset + ((ulong)s * out_channels + row) * in_channels + column;
  bool is_first = true;
  for (int n = 0; n < images; ++n)
    for (int run = begin; run < end; run += NT_RUN, is_first = false) {
      float2 sum[NT_SIDE][NT_PAIRS];
      float squares[2][NT_SHARE];
      nt_sums(
          PLANE(g, n, row), g_plane, rows, PLANE(x, n, column), x_plane, columns, run, min(run + NT_RUN, end), memory,
          sum, squares MATRIX_ARGUMENT);
      nt_lay_out(sum, memory);
      for (int e = (int)get_local_id(0); e < NT_TILE * NT_TILE; e += NT_GROUP) {
        const int r = e / NT_TILE, c = e % NT_TILE;
        if (r >= rows || c >= columns) continue;
        __global float *total = out + (ulong)r * in_channels + c;
        const float value = ((__local float *)memory)[e];
        *total = is_first ? value : *total + value;
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
}

#if !HALF_STORAGE  // Sums, float always.
// gW = the sum of the partial sums S, in order; S[a, c] goes to gw[a * row_step + c * column_step]. One work-item: VEC
// elements of a row of S (dimension 1).
__kernel void conv1x1_backward_weight_sum(
    __global const float *restrict partial, ulong partial_offset, TENSOR_OUT(gw), int rows, int columns,
    int pitch, int slices, int row_step, int column_step) {
  const int c = VEC * (int)get_global_id(0), a = (int)get_global_id(1);
  if (c >= columns || a >= rows) return;
  __global const float *sums = partial + partial_offset + (ulong)a * pitch + c;
  vec total = load_vec(sums);
  for (int s = 1; s < slices; ++s) total += load_vec(sums + (ulong)s * rows * pitch);
  __global float *out = PLANE(gw, 0, 0) + (ulong)a * row_step + (ulong)c * column_step;
  if (column_step == 1) {
    store_vec(total, columns - c, out);
    return;
  }
#ifdef CPU_DEVICE
  float lanes[VEC];
  vstore16(total, 0, lanes);
  for (int i = 0; i < min(VEC, columns - c); ++i) out[(ulong)i * column_step] = lanes[i];
#else
  *out = total;
#endif
}
#endif

// ---- ChannelSum ----
// s[c] = sum_{n, p} x[n, c, p].
//
// Indices: a work-group per channel, its items side by side along pixels, in blocks of a few thousand, so that the rounding
// error stays near that of one block:  | 0 1 2 .. | 0 1 2 .. | .. SUM_STEPS times | block 2 ..
// Tunables: VEC; GROUP_SIZE, the items of a group.

#define SUM_STEPS 256  // pixels, or vectors of them, of one item in a block

__kernel void channel_sum(ACTIVATION_IN(x), TENSOR_OUT(s), int pixels, int images) {
  __local float shared[GROUP_SIZE];
  const int c = (int)get_group_id(0), step = VEC * (int)get_local_size(0);
  float total = 0.0f;
  for (int n = 0; n < images; ++n) {
    __global const in_t *plane = PLANE(x, n, c);
    for (int begin = 0; begin < pixels; begin += SUM_STEPS * step) {
      const int end = min(begin + SUM_STEPS * step, pixels);
      vec block = (vec)(0.0f);
      int p = begin + VEC * (int)get_local_id(0);
      for (; p + VEC <= end; p += step) block += load_vec(plane + p);
      if (p < end) block += keep_vec(load_vec(plane + p), end - p);
      total += sum_vec(block);
    }
  }
  total = group_sum(total, shared);
  if (get_local_id(0) == 0) PLANE(s, 0, c)[0] = total;
}

// ---- Conv3x3 ----
// y[n, o, v, u] = sum_{i, j, k} W[o, i, j, k] x[n, i, v + j - 1, u + k - 1] (+ b[o]), zero outside of x.
// x: [n, ci, h, w]; W: [co, ci, 3, 3].
//
// Indices. On a CPU, one work-item: VECTOR_WIDTH pixels of BLOCK_VECTORS rows (dimension 0, columns first), `rows` output channels
// (1), BLOCK_ROWS at a time in registers, one image (2). The neighbours to the left and right are loads shifted by one element, the
// image's edges masked. For GPUs see conv3x3_tiles.
//
//   x row v - 1   l c r          for each input channel; a row of x serves up to three rows of y
//         v       l c r    ->  y row v
//         v + 1   l c r        y row v + 1 ..
//
// Tunables: on CPUs VECTOR_WIDTH, BLOCK_VECTORS, BLOCK_ROWS and, for the weight's gradient, PATCH_AREA and the panel's; on GPUs
// CONV_ITEM_ROWS, CONV_ROW_ITEMS, CONV_ACROSS, CONV_DOWN and GRADIENT_OUT_ITEMS, GRADIENT_IN_ITEMS.

#ifdef CPU_DEVICE
#if VECTOR_WIDTH == 16
typedef int16 int_vector;
#define LANES (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define ZERO_FIRST(v) (vector)(0.0f, (v).s01234567, (v).s89ab, (v).scd, (v).se)
#elif VECTOR_WIDTH == 8
typedef int8 int_vector;
#define LANES (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#define ZERO_FIRST(v) (vector)(0.0f, (v).s0123, (v).s45, (v).s6)
#else
typedef int4 int_vector;
#define LANES (int4)(0, 1, 2, 3)
#define ZERO_FIRST(v) (vector)(0.0f, (v).xyz)
#endif

// The first `count` lanes of v, zero in the others, whatever they hold.
INLINE vector keep_lanes(vector v, int count) {
  return select((vector)(0.0f), v, LANES < (int_vector)(count));
}

// x at columns u - 1 .. u + VECTOR_WIDTH - 2, zero left of the row. The row's first element has no left
// neighbour to load: the element before a plane may lie outside of the buffer.
INLINE vector load_left(__global const in_t *line, int u) {
  if (u > 0) return READ_VECTOR(line + u - 1);
  const vector v = READ_VECTOR(line);
  return ZERO_FIRST(v);
}

// x at columns u + 1 .. u + VECTOR_WIDTH, zero right of the row.
INLINE vector load_right(__global const in_t *line, int u, int width) {
  const vector v = READ_VECTOR(line + u + 1);
  return u + VECTOR_WIDTH < width ? v : keep_lanes(v, width - 1 - u);
}

__kernel void conv3x3(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_OUT(y), int height, int width, int in_channels,
    int out_channels, int rows, int has_bias) {
  const int columns = (width + VECTOR_WIDTH - 1) / VECTOR_WIDTH;
  const int u = (int)get_global_id(0) % columns * VECTOR_WIDTH;
  const int first = (int)get_global_id(0) / columns * BLOCK_VECTORS;
  if (first >= height) return;
  const int row_begin = rows * (int)get_global_id(1);
  const int row_end = min(row_begin + rows, out_channels);
  const int n = (int)get_global_id(2);
  for (int row = row_begin; row < row_end; row += BLOCK_ROWS) {
    vector sum[BLOCK_ROWS][BLOCK_VECTORS];
    __global const float *taps[BLOCK_ROWS];
#pragma unroll
    for (int i = 0; i < BLOCK_ROWS; ++i) {
      // Rows beyond the end repeat the last one and are not stored.
      const int o = min(row + i, out_channels - 1);
      taps[i] = PLANE(w, 0, 0) + (ulong)o * in_channels * 9;
      const float start = has_bias ? PLANE(b, 0, 0)[o] : 0.0f;
#pragma unroll
      for (int v = 0; v < BLOCK_VECTORS; ++v) sum[i][v] = (vector)(start);
    }
    for (int c = 0; c < in_channels; ++c) {
#pragma unroll
      for (int dy = -1; dy <= BLOCK_VECTORS; ++dy) {
        const int line_index = first + dy;
        if (line_index < 0 || line_index >= height) continue;
        __global const in_t *line = PLANE(x, n, c) + line_index * width;
        const vector left = load_left(line, u), centre = READ_VECTOR(line + u),
                     right = load_right(line, u, width);
#pragma unroll
        for (int v = 0; v < BLOCK_VECTORS; ++v) {
          const int j = dy + 1 - v;
          if (j < 0 || j > 2) continue;
#pragma unroll
          for (int i = 0; i < BLOCK_ROWS; ++i) {
            __global const float *tap = taps[i] + c * 9 + j * 3;
            sum[i][v] = fma(left, (vector)(tap[0]), sum[i][v]);
            sum[i][v] = fma(centre, (vector)(tap[1]), sum[i][v]);
            sum[i][v] = fma(right, (vector)(tap[2]), sum[i][v]);
          }
        }
      }
    }
#pragma unroll
    for (int i = 0; i < BLOCK_ROWS; ++i) {
      if (row + i >= row_end) break;
#pragma unroll
      for (int v = 0; v < BLOCK_VECTORS; ++v) {
        if (first + v >= height) break;
        store_vector(sum[i][v], width - u, PLANE(y, n, row + i) + (first + v) * width + u);
      }
    }
  }
}
#else
#ifndef CONV_ITEM_ROWS
#error "CONV_ITEM_ROWS: output channels of one work-item, a multiple of 4, such as 12"
#endif
#ifndef CONV_ROW_ITEMS
#error "CONV_ROW_ITEMS: work-items of a group along output channels, such as 2"
#endif
#ifndef CONV_ACROSS
#error "CONV_ACROSS: work-items of a group along rows of an image, with four pixels each, such as 8"
#endif
#ifndef CONV_DOWN
#error "CONV_DOWN: rows of an image of a group, such as 8"
#endif
#ifndef CONV_WIDE
#error "CONV_WIDE: 1 where the weights of four input channels start at a multiple of four elements, such as 1"
#endif
#define CONV_DEPTH 4  // input channels of a step
#define CONV_ROWS (CONV_ITEM_ROWS * CONV_ROW_ITEMS)
#define CONV_ITEMS (CONV_ROW_ITEMS * CONV_ACROSS * CONV_DOWN)
// A row of the tile of x in vectors, its margins with it, and vectors of all rows.
#define CONV_VECTORS (CONV_ACROSS + 2)
#define CONV_X_COUNT (CONV_DEPTH * (CONV_DOWN + 2) * CONV_VECTORS)
#define CONV_X_SHARE ((CONV_X_COUNT + CONV_ITEMS - 1) / CONV_ITEMS)
// Weights of an output channel and a step, and of them those that an item brings at once.
#define CONV_TAPS (9 * CONV_DEPTH)
#if CONV_WIDE
typedef float4 conv_weights;
#define CONV_W_STEP 4
#else
typedef float conv_weights;
#define CONV_W_STEP 1
#endif
#define CONV_W_COUNT (CONV_ROWS * CONV_TAPS / CONV_W_STEP)
#define CONV_W_SHARE ((CONV_W_COUNT + CONV_ITEMS - 1) / CONV_ITEMS)
#define CONV_W_TAP(e) ((e) % (CONV_TAPS / CONV_W_STEP) * CONV_W_STEP)
#define CONV_W_ROW(e) ((e) / (CONV_TAPS / CONV_W_STEP))
// Vectors from a tap's weights to the next: one more than used spreads what is stored over the memory banks.
#define CONV_PITCH (CONV_ROWS / 4 + 1)

// The same for a GPU, a product over the nine taps of all input channels. One work-group: 4 CONV_ACROSS by CONV_DOWN pixels
// (dimension 0), CONV_ROWS output channels (1) of one image (2). A step's tile of x, with its margin, and its weights lie in
// local memory; the next ones are on their way in registers. An item has four pixels of a row:
//
//   tile   | . . . l | a b c d | r . . . |     six neighbours of three rows serve nine taps of four pixels
__kernel __attribute__((reqd_work_group_size(CONV_ITEMS, 1, 1))) void conv3x3_tiles(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_OUT(y), int height, int width, int in_channels,
    int out_channels, int has_bias) {
  __local float4 x_tile[CONV_X_COUNT], w_tile[CONV_TAPS * CONV_PITCH];
  const int item = (int)get_local_id(0), n = (int)get_group_id(2), row_begin = CONV_ROWS * (int)get_group_id(1);
  const int tiles = (width + 4 * CONV_ACROSS - 1) / (4 * CONV_ACROSS);
  const int left = (int)get_group_id(0) % tiles * 4 * CONV_ACROSS, top = (int)get_group_id(0) / tiles * CONV_DOWN;
  const int across = item % CONV_ACROSS, down = item / CONV_ACROSS % CONV_DOWN;
  const int row = item / (CONV_ACROSS * CONV_DOWN) * CONV_ITEM_ROWS;
  __global const in_t *x_from[CONV_X_SHARE];
  __global const float *w_from[CONV_W_SHARE];
  // How many of a vector's pixels lie in the image.
  int count[CONV_X_SHARE];
#pragma unroll
  for (int i = 0; i < CONV_X_SHARE; ++i) {
    const int e = item + i * CONV_ITEMS, u = left + 4 * (e % CONV_VECTORS - 1);
    const int v = top + e / CONV_VECTORS % (CONV_DOWN + 2) - 1;
    count[i] = e < CONV_X_COUNT && u >= 0 && v >= 0 && v < height ? width - u : 0;
    x_from[i] = PLANE(x, n, 0) + (count[i] > 0 ? v * width + u : 0);
  }
#pragma unroll
  for (int i = 0; i < CONV_W_SHARE; ++i) {
    const int e = item + i * CONV_ITEMS, o = min(row_begin + CONV_W_ROW(e), out_channels - 1);
    w_from[i] = PLANE(w, 0, 0) + (ulong)o * in_channels * 9 + CONV_W_TAP(e);
  }
  float4 sum[CONV_ITEM_ROWS], x_next[CONV_X_SHARE];
  conv_weights w_next[CONV_W_SHARE];
#pragma unroll
  for (int i = 0; i < CONV_ITEM_ROWS; ++i)
    sum[i] = (float4)(has_bias ? PLANE(b, 0, 0)[min(row_begin + row + i, out_channels - 1)] : 0.0f);
  // The first round brings the first tiles and multiplies nothing.
  for (int begin = -CONV_DEPTH; begin < in_channels; begin += CONV_DEPTH) {
    const int next = begin + CONV_DEPTH;
    if (next < in_channels) {
#pragma unroll
      for (int i = 0; i < CONV_X_SHARE; ++i) {
        const int k = (item + i * CONV_ITEMS) / (CONV_VECTORS * (CONV_DOWN + 2));
        // An input channel beyond the last meets weights of zero.
        x_next[i] = four_of_row(x_from[i] + (ulong)min(next + k, in_channels - 1) * x_plane, count[i]);
      }
#pragma unroll
      for (int i = 0; i < CONV_W_SHARE; ++i) {
        const int e = item + i * CONV_ITEMS;
        w_next[i] = (conv_weights)(0.0f);
        if (e < CONV_W_COUNT && next + CONV_W_TAP(e) / 9 < in_channels)
          w_next[i] = *(__global const conv_weights *)(w_from[i] + next * 9);
      }
    }
    if (begin >= 0) {
      // Unrolled, it would take more registers, and more instructions than some devices keep at hand.
#pragma unroll 1
      for (int k = 0; k < CONV_DEPTH; ++k)
#pragma unroll
        for (int j = 0; j < 3; ++j) {
          __local const float4 *line = x_tile + (k * (CONV_DOWN + 2) + down + j) * CONV_VECTORS + across;
          const float before = ((__local const float *)line)[3], behind = ((__local const float *)line)[8];
          const float4 centre = line[1];
          const float4 value[3] = {
              (float4)(before, centre.xyz), centre, (float4)(centre.yzw, behind)};
#pragma unroll
          for (int tap = 0; tap < 3; ++tap)
#pragma unroll
            for (int i = 0; i < CONV_ITEM_ROWS; i += 4) {
              const float4 weight = w_tile[(9 * k + 3 * j + tap) * CONV_PITCH + (row + i) / 4];
              sum[i] = fma(value[tap], (float4)(weight.x), sum[i]);
              sum[i + 1] = fma(value[tap], (float4)(weight.y), sum[i + 1]);
              sum[i + 2] = fma(value[tap], (float4)(weight.z), sum[i + 2]);
              sum[i + 3] = fma(value[tap], (float4)(weight.w), sum[i + 3]);
            }
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (next < in_channels) {
#pragma unroll
      for (int i = 0; i < CONV_X_SHARE; ++i)
        if (item + i * CONV_ITEMS < CONV_X_COUNT) x_tile[item + i * CONV_ITEMS] = x_next[i];
#pragma unroll
      for (int i = 0; i < CONV_W_SHARE; ++i) {
        const int e = item + i * CONV_ITEMS;
        if (e >= CONV_W_COUNT) break;
        __local float *place = (__local float *)w_tile + CONV_W_TAP(e) * 4 * CONV_PITCH + CONV_W_ROW(e);
#if CONV_WIDE
        place[0] = w_next[i].x;
        place[4 * CONV_PITCH] = w_next[i].y;
        place[8 * CONV_PITCH] = w_next[i].z;
        place[12 * CONV_PITCH] = w_next[i].w;
#else
        *place = w_next[i];
#endif
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const int u = left + 4 * across, v = top + down;
  if (u >= width || v >= height) return;
#pragma unroll
  for (int i = 0; i < CONV_ITEM_ROWS; ++i) {
    if (row_begin + row + i >= out_channels) break;
    put_four(sum[i], width - u, PLANE(y, n, row_begin + row + i) + v * width + u);
  }
}
#endif

#if !HALF_STORAGE  // Weights, float always.
// The weight of the input gradient: V[i, o, j, k] = W[o, i, 2 - j, 2 - k]. One work-item per element.
__kernel void conv3x3_transpose_weight(
    TENSOR_IN(w), __global float *restrict transposed, ulong transposed_offset, int out_channels, int in_channels) {
  const int index = (int)get_global_id(0);
  if (index >= 9 * in_channels * out_channels) return;
  const int tap = index % 9, i = index / 9 % in_channels, o = index / 9 / in_channels;
  transposed[transposed_offset + (ulong)(i * out_channels + o) * 9 + 8 - tap] = PLANE(w, 0, 0)[index];
}
#endif

#ifdef CPU_DEVICE
#ifndef PATCH_AREA
#error "PATCH_AREA: pixels of a transposed patch, margins included, such as 448"
#endif

// Transposes rows first - 1 .. first + rows and columns u - 1 .. u + across of x into a panel, zero outside of the image.
INLINE void transpose_patch(
    __global const in_t *x, ulong plane, int channels, int first, int rows, int u, int across, int height,
    int width, float *panel) {
  const int begin = max(u - 1, 0), end = min(u + across + 1, width);
  for (int r = -1; r <= rows; ++r) {
    float *line = panel + (r + 1) * (across + 2) * PANEL_CHANNELS;
    const bool inside = first + r >= 0 && first + r < height;
    if (inside)
      transpose_panel(
          x + (first + r) * width + begin, plane, channels, end - begin,
          line + (begin - u + 1) * PANEL_CHANNELS);
    for (int p = 0; p < across + 2; ++p)
      if (!inside || u + p < 1 || u + p > width)
        for (int i = 0; i < PANEL_CHANNELS; i += VECTOR_WIDTH)
          STORE((vector)(0.0f), line + p * PANEL_CHANNELS + i);
  }
}

// Partial sums of gW[o, i, j, k] = sum gy[n, o, v, u] x[n, i, v + j - 1, u + k - 1], for CPUs. One work-item: a panel of
// input channels (dimension 0), `strip` output channels (1), a band of rows of all images (2), a transposed patch of x of at
// most `rows` by `across` pixels at a time. partial: [band][j, k][o][pitch], pitch the input channels in whole panels.
__kernel void conv3x3_backward_weight(
    ACTIVATION_IN(x), ACTIVATION_IN(g), __global float *restrict partial, ulong partial_offset, int height,
    int width, int in_channels, int out_channels, int images, int band_rows, int strip, int rows, int across) {
  const int column = PANEL_CHANNELS * (int)get_global_id(0), o = strip * (int)get_global_id(1);
  const int band = (int)get_global_id(2), pitch = PANEL_CHANNELS * (int)get_global_size(0);
  if (column >= in_channels || o >= out_channels) return;
  const int channels = min(strip, out_channels - o), depth = min(PANEL_CHANNELS, in_channels - column);
  const ulong tap_step = (ulong)out_channels * pitch;
  __global float *sum = partial + partial_offset + 9 * band * tap_step + (ulong)o * pitch + column;
  for (int t = 0; t < 9; ++t)
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < PANEL_CHANNELS; i += VECTOR_WIDTH)
        STORE((vector)(0.0f), sum + t * tap_step + (ulong)c * pitch + i);
  // Transposing writes whole vectors of pixels.
  float patch[(PATCH_AREA + VECTOR_WIDTH) * PANEL_CHANNELS];
  const int end = min((band + 1) * band_rows, height);
  for (int n = 0; n < images; ++n)
    for (int first = band * band_rows; first < end; first += rows)
      for (int u = 0; u < width; u += across) {
        const int down = min(rows, end - first), wide = min(across, width - u);
        transpose_patch(PLANE(x, n, column), x_plane, depth, first, down, u, wide, height, width, patch);
        for (int t = 0; t < 9; ++t)
          panel_product(
              PLANE(g, n, o) + first * width + u, g_plane, width,
              patch + (t / 3 * (wide + 2) + t % 3) * PANEL_CHANNELS, wide + 2, down, wide, sum + t * tap_step,
              pitch, channels, PANEL_CHANNELS);
      }
}

#if !HALF_STORAGE  // Sums, float always.
// gW = the sum of the bands' sums, in order. One work-item: VEC input channels of one output channel (dimension 1).
__kernel void conv3x3_backward_weight_sum(
    __global const float *restrict partial, ulong partial_offset, TENSOR_OUT(gw), int in_channels,
    int out_channels, int pitch, int bands) {
  const int i = VEC * (int)get_global_id(0), o = (int)get_global_id(1);
  if (i >= in_channels || o >= out_channels) return;
  const ulong tap_step = (ulong)out_channels * pitch;
  float lanes[9][VEC];
  for (int t = 0; t < 9; ++t) {
    __global const float *sums = partial + partial_offset + t * tap_step + (ulong)o * pitch + i;
    vec total = load_vec(sums);
    for (int s = 1; s < bands; ++s) total += load_vec(sums + 9 * s * tap_step);
    vstore16(total, 0, lanes[t]);
  }
  __global float *out = PLANE(gw, 0, 0) + ((ulong)o * in_channels + i) * 9;
  for (int c = 0; c < min(VEC, in_channels - i); ++c)
    for (int t = 0; t < 9; ++t) out[9 * c + t] = lanes[t][c];
}
#endif
#else
#ifndef GRADIENT_OUT_ITEMS
#error "GRADIENT_OUT_ITEMS: work-items of a group along output channels, four each, such as 8"
#endif
#ifndef GRADIENT_IN_ITEMS
#error "GRADIENT_IN_ITEMS: work-items of a group along input channels, such as 8"
#endif
#define GRADIENT_ITEMS (GRADIENT_OUT_ITEMS * GRADIENT_IN_ITEMS)
#define GRADIENT_COLUMNS 16  // columns of a strip
// Vectors of a row of x, its margins with it; of what is brought at each step, an item's share.
#define GRADIENT_X_VECTORS (GRADIENT_COLUMNS / 4 + 2)
#define GRADIENT_X_COUNT (GRADIENT_X_VECTORS * GRADIENT_IN_ITEMS)
#define GRADIENT_X_SHARE ((GRADIENT_X_COUNT + GRADIENT_ITEMS - 1) / GRADIENT_ITEMS)
#define GRADIENT_G_COUNT (GRADIENT_COLUMNS * GRADIENT_OUT_ITEMS)
#define GRADIENT_G_SHARE ((GRADIENT_G_COUNT + GRADIENT_ITEMS - 1) / GRADIENT_ITEMS)
// From a pixel to the next: more than used, so that what a warp writes at once lies in different banks.
#define GRADIENT_X_PITCH (GRADIENT_IN_ITEMS + 1)
#define GRADIENT_G_PITCH (GRADIENT_OUT_ITEMS + 1)

// Partial sums of gW[o, i, j, k] = sum gy[n, o, v, u] x[n, i, v + j - 1, u + k - 1]. One work-group: GRADIENT_IN_ITEMS input
// channels (dimension 0), 4 GRADIENT_OUT_ITEMS output channels (1), band_rows rows by band_columns columns of all images (2: across
// first). An item has nine taps of one input and four output channels. The group goes down strips of GRADIENT_COLUMNS columns, a
// row at a step, with the last three rows of x in a ring in local memory, pixel by pixel with all channels side by side:
//
//   x    row v - 1 | v | v + 1   ->   a window of 3 x 3, moved along the row      gy   row v
__kernel __attribute__((reqd_work_group_size(GRADIENT_ITEMS, 1, 1))) void conv3x3_backward_weight_tiles(
    ACTIVATION_IN(x), ACTIVATION_IN(g), __global float *restrict partial, ulong partial_offset, int height,
    int width, int in_channels, int out_channels, int images, int band_rows, int band_columns) {
  __local float ring[3][4 * GRADIENT_X_VECTORS * GRADIENT_X_PITCH];
  __local float4 slopes[GRADIENT_COLUMNS * GRADIENT_G_PITCH];
  const int item = (int)get_local_id(0), in_item = item % GRADIENT_IN_ITEMS, out_item = item / GRADIENT_IN_ITEMS;
  const int channel = GRADIENT_IN_ITEMS * (int)get_group_id(0), o = 4 * GRADIENT_OUT_ITEMS * (int)get_group_id(1);
  const int bands = (width + band_columns - 1) / band_columns, slice = (int)get_group_id(2);
  const int begin = slice % bands * band_columns, end = min(begin + band_columns, width);
  const int top = slice / bands * band_rows, bottom = min(top + band_rows, height);
  float4 sum[9], x_next[GRADIENT_X_SHARE], g_next[GRADIENT_G_SHARE];
#pragma unroll
  for (int t = 0; t < 9; ++t) sum[t] = (float4)(0.0f);
  for (int n = 0; n < images; ++n)
    for (int left = begin; left < end; left += GRADIENT_COLUMNS)
      // Row row + 1 of x comes with row `row` of gy, which is multiplied in the round after that.
      for (int row = top - 2, slot = 2; row <= bottom; ++row, slot = slot == 2 ? 0 : slot + 1) {
        if (row < bottom) {
#pragma unroll
          for (int i = 0; i < GRADIENT_X_SHARE; ++i) {
            const int e = item + i * GRADIENT_ITEMS, u = left + 4 * (e % GRADIENT_X_VECTORS - 1);
            const int c = min(channel + e / GRADIENT_X_VECTORS, in_channels - 1);
            const bool is_inside = u >= 0 && row + 1 >= 0 && row + 1 < height;
            x_next[i] = four_of_row(PLANE(x, n, c) + ((row + 1) * width + u), is_inside ? width - u : 0);
          }
#pragma unroll
          for (int i = 0; i < GRADIENT_G_SHARE; ++i) {
            const int e = item + i * GRADIENT_ITEMS, u = left + 4 * (e % (GRADIENT_COLUMNS / 4));
            const int c = min(o + e / (GRADIENT_COLUMNS / 4), out_channels - 1);
            g_next[i] = four_of_row(PLANE(g, n, c) + (row * width + u), row >= top ? width - u : 0);
          }
        }
        if (row > top) {
          __local const float *first = ring[slot == 2 ? 0 : slot + 1] + 3 * GRADIENT_X_PITCH + in_item;
          __local const float *second = ring[slot == 0 ? 2 : slot - 1] + 3 * GRADIENT_X_PITCH + in_item;
          __local const float *third = ring[slot] + 3 * GRADIENT_X_PITCH + in_item;
          float window[3][3];
#pragma unroll
          for (int k = 0; k < 2; ++k) {
            window[0][k] = first[k * GRADIENT_X_PITCH];
            window[1][k] = second[k * GRADIENT_X_PITCH];
            window[2][k] = third[k * GRADIENT_X_PITCH];
          }
#pragma unroll
          for (int p = 0; p < GRADIENT_COLUMNS; ++p) {
            const float4 slope = slopes[p * GRADIENT_G_PITCH + out_item];
            window[0][(p + 2) % 3] = first[(p + 2) * GRADIENT_X_PITCH];
            window[1][(p + 2) % 3] = second[(p + 2) * GRADIENT_X_PITCH];
            window[2][(p + 2) % 3] = third[(p + 2) * GRADIENT_X_PITCH];
#pragma unroll
            for (int t = 0; t < 9; ++t) sum[t] = fma(slope, (float4)(window[t / 3][(p + t % 3) % 3]), sum[t]);
          }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (row < bottom) {
          __local float *line = ring[slot == 2 ? 0 : slot + 1];
#pragma unroll
          for (int i = 0; i < GRADIENT_X_SHARE; ++i) {
            const int e = item + i * GRADIENT_ITEMS;
            if (e >= GRADIENT_X_COUNT) break;
            __local float *place = line + e % GRADIENT_X_VECTORS * 4 * GRADIENT_X_PITCH + e / GRADIENT_X_VECTORS;
            place[0] = x_next[i].x;
            place[GRADIENT_X_PITCH] = x_next[i].y;
            place[2 * GRADIENT_X_PITCH] = x_next[i].z;
            place[3 * GRADIENT_X_PITCH] = x_next[i].w;
          }
#pragma unroll
          for (int i = 0; i < GRADIENT_G_SHARE; ++i) {
            const int e = item + i * GRADIENT_ITEMS;
            if (e >= GRADIENT_G_COUNT) break;
            __local float *place = (__local float *)slopes + e % (GRADIENT_COLUMNS / 4) * 16 * GRADIENT_G_PITCH
                + e / (GRADIENT_COLUMNS / 4);
            place[0] = g_next[i].x;
            place[4 * GRADIENT_G_PITCH] = g_next[i].y;
            place[8 * GRADIENT_G_PITCH] = g_next[i].z;
            place[12 * GRADIENT_G_PITCH] = g_next[i].w;
          }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
      }
  const int c = channel + in_item, first = o + 4 * out_item;
  if (c >= in_channels) return;
  __global float *out = partial + partial_offset + (ulong)slice * out_channels * in_channels * 9;
#pragma unroll
  for (int t = 0; t < 9; ++t) {
    const float lanes[4] = {sum[t].x, sum[t].y, sum[t].z, sum[t].w};
#pragma unroll
    for (int a = 0; a < 4; ++a)
      if (first + a < out_channels) out[((ulong)(first + a) * in_channels + c) * 9 + t] = lanes[a];
  }
}

#if !HALF_STORAGE  // Sums, float always.
// gW = the sum of the slices' sums, in order. One work-item per element.
__kernel void conv3x3_backward_weight_tiles_sum(
    __global const float *restrict partial, ulong partial_offset, TENSOR_OUT(gw), int count, int slices) {
  const int index = (int)get_global_id(0);
  if (index >= count) return;
  float total = 0.0f;
  for (int s = 0; s < slices; ++s) total += partial[partial_offset + (ulong)s * count + index];
  PLANE(gw, 0, 0)[index] = total;
}
#endif
#endif

// ---- LayerNorm ----
// Over the c channels of every pixel: mu = mean x, r = 1 / sqrt(mean (x - mu)^2 + eps);
// with bias y = (x - mu) r w + b, without y = x r w (scaled by the deviation, but not centred).
// A rounded mean would shift every centred value: the second pass also sums what is left of it, `rest`. mu and r, which the
// gradient reads, are float always.
//
// Indices: dimension 0 pixels, 1 images.
//
//   channels |   p0 p1 p2 ..      layer_norm: an item goes down NORM_VECTORS vectors of pixels, three times, from cache
//            v   p0 p1 p2 ..      layer_norm_groups: NORM_PARTS items share a pixel, each NORM_SHARE of its channels at most
//
// Tunables: NORM_VECTORS; for GPUs NORM_PIXELS, NORM_PARTS, NORM_SHARE.

#ifndef NORM_VECTORS
#error "NORM_VECTORS: vectors of pixels of one work-item, 1 on a GPU, such as 4"
#endif

__kernel void layer_norm(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_OUT(y), TENSOR_OUT(mean), TENSOR_OUT(rstd),
    int pixels, int channels, float eps, int has_bias) {
  const int first = NORM_VECTORS * VECTOR_WIDTH * (int)get_global_id(0), n = (int)get_global_id(1);
  if (first >= pixels) return;
  // Vectors beyond the end repeat the last one.
  int place[NORM_VECTORS];
  vector mu[NORM_VECTORS], rest[NORM_VECTORS], r[NORM_VECTORS];
#pragma unroll
  for (int v = 0; v < NORM_VECTORS; ++v) {
    place[v] = min(first + v * VECTOR_WIDTH, (pixels - 1) / VECTOR_WIDTH * VECTOR_WIDTH);
    mu[v] = rest[v] = r[v] = (vector)(0.0f);
  }
  const float share = 1.0f / channels;
  for (int c = 0; c < channels; ++c) {
    __global const in_t *row = PLANE(x, n, c);
#pragma unroll
    for (int v = 0; v < NORM_VECTORS; ++v) mu[v] += READ_VECTOR(row + place[v]);
  }
#pragma unroll
  for (int v = 0; v < NORM_VECTORS; ++v) mu[v] *= share;
  for (int c = 0; c < channels; ++c) {
    __global const in_t *row = PLANE(x, n, c);
#pragma unroll
    for (int v = 0; v < NORM_VECTORS; ++v) {
      const vector d = READ_VECTOR(row + place[v]) - mu[v];
      rest[v] += d;
      r[v] = fma(d, d, r[v]);
    }
  }
#pragma unroll
  for (int v = 0; v < NORM_VECTORS; ++v) {
    rest[v] *= share;
    const vector variance = r[v] * share - rest[v] * rest[v];
    // A comparison, unlike fmax, keeps NaN.
    r[v] = 1.0f / sqrt((variance < 0.0f ? (vector)(0.0f) : variance) + eps);
    store_floats(mu[v] + rest[v], pixels - place[v], PLANE(mean, n, 0) + place[v]);
    store_floats(r[v], pixels - place[v], PLANE(rstd, n, 0) + place[v]);
    if (!has_bias) mu[v] = rest[v] = (vector)(0.0f);
  }
  for (int c = 0; c < channels; ++c) {
    __global const in_t *row = PLANE(x, n, c);
    __global out_t *out = PLANE(y, n, c);
    const float weight = PLANE(w, 0, 0)[c], bias = has_bias ? PLANE(b, 0, 0)[c] : 0.0f;
#pragma unroll
    for (int v = 0; v < NORM_VECTORS; ++v) {
      const vector d = READ_VECTOR(row + place[v]) - mu[v] - rest[v];
      store_vector(d * r[v] * weight + bias, pixels - place[v], out + place[v]);
    }
  }
}

// With bias: gx = r (g - mean g - h mean (g h)), g = gy w, h = (x - mu) r.
// Without:   gx = r g - r^3 (x - mu) mean (g x). With an addend, plus that.
__kernel void layer_norm_backward_input(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(mean), TENSOR_IN(rstd), ACTIVATION_IN(g), ACTIVATION_IN(addend),
    ACTIVATION_OUT(gx), int pixels, int channels, int has_bias, int has_addend) {
  const int first = NORM_VECTORS * VECTOR_WIDTH * (int)get_global_id(0), n = (int)get_global_id(1);
  if (first >= pixels) return;
  // Vectors beyond the end repeat the last one.
  int place[NORM_VECTORS];
  vector mu[NORM_VECTORS], r[NORM_VECTORS], total[NORM_VECTORS], along[NORM_VECTORS];
#pragma unroll
  for (int v = 0; v < NORM_VECTORS; ++v) {
    place[v] = min(first + v * VECTOR_WIDTH, (pixels - 1) / VECTOR_WIDTH * VECTOR_WIDTH);
    mu[v] = LOAD(PLANE(mean, n, 0) + place[v]);
    r[v] = LOAD(PLANE(rstd, n, 0) + place[v]);
    total[v] = along[v] = (vector)(0.0f);
  }
  for (int c = 0; c < channels; ++c) {
    __global const in_t *gy = PLANE(g, n, c), *row = PLANE(x, n, c);
    const float weight = PLANE(w, 0, 0)[c];
#pragma unroll
    for (int v = 0; v < NORM_VECTORS; ++v) {
      const vector gw = READ_VECTOR(gy + place[v]) * weight;
      total[v] += gw;
      along[v] = fma(gw, READ_VECTOR(row + place[v]) - (has_bias ? mu[v] : (vector)(0.0f)), along[v]);
    }
  }
  const float share = 1.0f / channels;
#pragma unroll
  for (int v = 0; v < NORM_VECTORS; ++v) {
    along[v] *= share * r[v] * r[v] * r[v];
    total[v] *= has_bias ? share * r[v] : (vector)(0.0f);
  }
  for (int c = 0; c < channels; ++c) {
    __global const in_t *gy = PLANE(g, n, c), *row = PLANE(x, n, c);
    __global const in_t *sum = PLANE(addend, n, c);
    __global out_t *out = PLANE(gx, n, c);
    const float weight = PLANE(w, 0, 0)[c];
#pragma unroll
    for (int v = 0; v < NORM_VECTORS; ++v) {
      const vector d = READ_VECTOR(row + place[v]) - mu[v];
      vector value = READ_VECTOR(gy + place[v]) * weight * r[v] - total[v] - d * along[v];
      if (has_addend) value += READ_VECTOR(sum + place[v]);
      store_vector(value, pixels - place[v], out + place[v]);
    }
  }
}

#ifndef CPU_DEVICE
// The same by work-groups, for GPUs: NORM_PIXELS neighbouring pixels of an image, and for each NORM_PARTS work-items that hold its
// channels in registers, part, part + NORM_PARTS, and so on. Memory is read once, by neighbours side by side.

#ifndef NORM_PIXELS
#error "NORM_PIXELS: neighbouring pixels of a group, such as 32"
#endif
#ifndef NORM_PARTS
#error "NORM_PARTS: work-items that share the channels of a pixel, such as 8"
#endif
#ifndef NORM_SHARE
#error "NORM_SHARE: channels of one of them, at most, such as 8"
#endif

// The sum of `value` over a pixel's parts, in all of them.
INLINE float sum_parts(float value, int part, int lane, __local float *shared) {
  barrier(CLK_LOCAL_MEM_FENCE);
  shared[part * NORM_PIXELS + lane] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < NORM_PARTS; ++i) sum += shared[i * NORM_PIXELS + lane];
  return sum;
}

__kernel void layer_norm_groups(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(b), ACTIVATION_OUT(y), TENSOR_OUT(mean), TENSOR_OUT(rstd),
    int pixels, int channels, float eps, int has_bias) {
  __local float shared[NORM_PARTS * NORM_PIXELS];
  const int lane = (int)get_local_id(0) % NORM_PIXELS, part = (int)get_local_id(0) / NORM_PIXELS;
  const int n = (int)get_global_id(1), p = NORM_PIXELS * (int)get_group_id(0) + lane;
  // Items beyond the end repeat the last pixel: all of a group meet at the barriers.
  __global const in_t *in = PLANE(x, n, part) + min(p, pixels - 1);
  const ulong x_step = NORM_PARTS * x_plane, y_step = NORM_PARTS * y_plane;
  const float share = 1.0f / channels;
  float v[NORM_SHARE], sum = 0.0f, left = 0.0f, square = 0.0f;
#pragma unroll
  for (int i = 0; i < NORM_SHARE; ++i) {
    v[i] = part + NORM_PARTS * i < channels ? READ(in + i * x_step) : 0.0f;
    sum += v[i];
  }
  const float mu = sum_parts(sum, part, lane, shared) * share;
#pragma unroll
  for (int i = 0; i < NORM_SHARE; ++i) {
    const float d = part + NORM_PARTS * i < channels ? v[i] - mu : 0.0f;
    left += d;
    square = fma(d, d, square);
  }
  const float rest = sum_parts(left, part, lane, shared) * share;
  const float variance = sum_parts(square, part, lane, shared) * share - rest * rest;
  const float r = 1.0f / sqrt((variance < 0.0f ? 0.0f : variance) + eps);
  if (p >= pixels) return;
  if (part == 0) {
    PLANE(mean, n, 0)[p] = mu + rest;
    PLANE(rstd, n, 0)[p] = r;
  }
  const float centre = has_bias ? mu : 0.0f, correction = has_bias ? rest : 0.0f;
  __global const float *weight = PLANE(w, 0, 0) + part, *bias = PLANE(b, 0, 0) + part;
  __global out_t *out = PLANE(y, n, part) + p;
#pragma unroll
  for (int i = 0; i < NORM_SHARE; ++i) {
    const int c = NORM_PARTS * i;
    if (part + c >= channels) continue;
    WRITE((v[i] - centre - correction) * r * weight[c] + (has_bias ? bias[c] : 0.0f), out + i * y_step);
  }
}

__kernel void layer_norm_backward_input_groups(
    ACTIVATION_IN(x), TENSOR_IN(w), TENSOR_IN(mean), TENSOR_IN(rstd), ACTIVATION_IN(g), ACTIVATION_IN(addend),
    ACTIVATION_OUT(gx), int pixels, int channels, int has_bias, int has_addend) {
  // The weight comes from memory once, for all pixels.
  __local float shared[NORM_PARTS * NORM_PIXELS], weight[NORM_PARTS * NORM_SHARE];
  const int lane = (int)get_local_id(0) % NORM_PIXELS, part = (int)get_local_id(0) / NORM_PIXELS;
  const int n = (int)get_global_id(1), p = NORM_PIXELS * (int)get_group_id(0) + lane;
  const int q = min(p, pixels - 1);
#pragma unroll 1
  for (int c = (int)get_local_id(0); c < channels; c += NORM_PARTS * NORM_PIXELS) weight[c] = PLANE(w, 0, 0)[c];
  barrier(CLK_LOCAL_MEM_FENCE);
  __global const in_t *in = PLANE(x, n, part) + q, *gy = PLANE(g, n, part) + q;
  const ulong x_step = NORM_PARTS * x_plane, g_step = NORM_PARTS * g_plane;
  const float mu = PLANE(mean, n, 0)[q], r = PLANE(rstd, n, 0)[q];
  float d[NORM_SHARE], gw[NORM_SHARE], total = 0.0f, along = 0.0f;
#pragma unroll
  for (int i = 0; i < NORM_SHARE; ++i) {
    const int is_inside = part + NORM_PARTS * i < channels;
    d[i] = is_inside ? READ(in + i * x_step) - mu : 0.0f;
    gw[i] = is_inside ? READ(gy + i * g_step) * weight[part + NORM_PARTS * i] : 0.0f;
    total += gw[i];
    along = fma(gw[i], has_bias ? d[i] : d[i] + mu, along);
  }
  const float share = 1.0f / channels;
  along = sum_parts(along, part, lane, shared) * share * r * r * r;
  total = sum_parts(total, part, lane, shared) * (has_bias ? share * r : 0.0f);
  if (p >= pixels) return;
  __global const in_t *more = PLANE(addend, n, part) + p;
  __global out_t *out = PLANE(gx, n, part) + p;
  const ulong more_step = NORM_PARTS * addend_plane, out_step = NORM_PARTS * gx_plane;
#pragma unroll
  for (int i = 0; i < NORM_SHARE; ++i)
    if (part + NORM_PARTS * i < channels)
      WRITE(gw[i] * r - total - d[i] * along + (has_addend ? READ(more + i * more_step) : 0.0f), out + i * out_step);
}
#endif

// Partial sums over a slice of pixels of all images: gw[c] = sum gy (x - mu) r (without bias: gy x r), gb[c] = sum gy.
// One work-group: one channel (dimension 0), one slice (1); the sums of a single slice are the gradients.
// partial: [slice][weight, bias][channel].
__kernel void layer_norm_backward_weight(
    ACTIVATION_IN(x), TENSOR_IN(mean), TENSOR_IN(rstd), ACTIVATION_IN(g), __global float *restrict partial,
    ulong partial_offset, TENSOR_OUT(gw), TENSOR_OUT(gb), int pixels, int channels, int images, int slice, int has_bias) {
  __local float shared[GROUP_SIZE];
  const int c = (int)get_group_id(0), s = (int)get_global_id(1);
  const int begin = s * slice + VEC * (int)get_local_id(0), end = min((s + 1) * slice, pixels);
  const int step = VEC * (int)get_local_size(0);
  vec weight = (vec)(0.0f), bias = (vec)(0.0f);
  for (int n = 0; n < images; ++n) {
    __global const in_t *px = PLANE(x, n, c), *pg = PLANE(g, n, c);
    __global const float *pm = PLANE(mean, n, 0), *pr = PLANE(rstd, n, 0);
    for (int p = begin; p < end; p += step) {
      vec gy = load_vec(pg + p), d = load_vec(px + p);
      if (has_bias) d -= LOAD_VEC(pm + p);
      d *= LOAD_VEC(pr + p);
      if (end - p < VEC) {
        gy = keep_vec(gy, end - p);
        d = keep_vec(d, end - p);
      }
      weight += gy * d;
      bias += gy;
    }
  }
  const float weight_total = group_sum(sum_vec(weight), shared);
  const float bias_total = group_sum(sum_vec(bias), shared);
  if (get_local_id(0) > 0) return;
  if (get_global_size(1) == 1) {
    PLANE(gw, 0, 0)[c] = weight_total;
    if (has_bias) PLANE(gb, 0, 0)[c] = bias_total;
    return;
  }
  __global float *out = partial + partial_offset + (ulong)s * 2 * channels;
  out[c] = weight_total;
  out[channels + c] = bias_total;
}

#if !HALF_STORAGE  // Sums, float always.
// The slices added up, in order. One work-item per channel.
__kernel void layer_norm_backward_weight_sum(
    __global const float *restrict partial, ulong partial_offset, TENSOR_OUT(gw), TENSOR_OUT(gb),
    int channels, int slices, int has_bias) {
  const int c = (int)get_global_id(0);
  if (c >= channels) return;
  __global const float *sums = partial + partial_offset + c;
  PLANE(gw, 0, 0)[c] = sum_of_slices(sums, slices, 2 * (ulong)channels);
  if (has_bias) PLANE(gb, 0, 0)[c] = sum_of_slices(sums + channels, slices, 2 * (ulong)channels);
}
#endif

// ---- ChannelAttention ----
// qkv: [n, 3 c, h, w], q, k and v are thirds of its channels, heads are consecutive groups of m = c / heads channels.
// Per image and head: G_ij = q_i . k_j / (|q_i| |k_j|), sums over pixels, norms at least NORM_FLOOR;
// A = softmax_j (t G), y = A v. Outputs y [n, c, h, w], A and G [n, heads, m, m], norms [n, 2 c, 1, 1].
//
// Indices:
//
//   pixels  | slice 0 | slice 1 | ..     attention_gram: partial sums q_i . k_j, |q_i|^2, |k_j|^2 of a slice (dimension 1) of
//      |                                 an image and head (2); on a GPU a tile of (i, j) per group (0)
//      v
//   G, A [m][m]                          attention_softmax: a group per row i (0) of an image and head (1)
//      |
//      v
//   y = A v                              attention_apply: blocks of pixels (0), rows of a head (1), images (2)
//
// Tunables: the panel's, BLOCK_ROWS and BLOCK_VECTORS; for GPUs NT_SIDE and NT_ACROSS, HEAD_ITEM_ROWS, HEAD_ROW_ITEMS and
// HEAD_COLUMN_ITEMS. SUMS_UNIT and NORM_FLOOR are fixed.

#define HEAD_PLANE(x, n, part, head) PLANE(x, n, ((part) * heads + (head)) * m)

// Partial sums over a slice of pixels, per image and head: products of the rows of two tensors [i][j], then the squares of
// the left rows [i] and of the right rows [j] if asked for. partial: [image and head][slice][HEAD_SUMS(m)].

#ifndef SUMS_UNIT
#error "SUMS_UNIT: the sums of a slice are padded to a multiple of so many, such as 16"
#endif
#ifndef NORM_FLOOR
#error "NORM_FLOOR: the least norm of a row of q or k, such as 1e-12f"
#endif
#define HEAD_SUMS(m) (((m) * ((m) + 2) + SUMS_UNIT - 1) / SUMS_UNIT * SUMS_UNIT)

#ifdef CPU_DEVICE
// For CPUs. One work-item: one slice (dimension 1) of one image and head (2), a transposed panel of the right rows at a time.
// `previous` holds sums to add to, if `adds`; it may be `partial` itself.
__kernel void attention_gram(
    ACTIVATION_IN(left), ACTIVATION_IN(right), __global const float *previous, ulong previous_offset,
    __global float *partial, ulong partial_offset, int pixels, int m, int heads, int left_part,
    int right_part, int slice, int squares, int adds) {
  const int s = (int)get_global_id(1), slices = (int)get_global_size(1);
  const int n = (int)get_global_id(2) / heads, head = (int)get_global_id(2) % heads;
  __global float *sum =
      partial + partial_offset + ((ulong)get_global_id(2) * slices + s) * HEAD_SUMS(m);
  __global const in_t *first = HEAD_PLANE(left, n, left_part, head);
  __global const in_t *second = HEAD_PLANE(right, n, right_part, head);
  __global const float *before =
      previous + previous_offset + ((ulong)get_global_id(2) * slices + s) * HEAD_SUMS(m);
  for (int index = 0; index < HEAD_SUMS(m); ++index) sum[index] = adds ? before[index] : 0.0f;
  const int slice_end = min((s + 1) * slice, pixels);
  float panel[PANEL_PIXELS * PANEL_CHANNELS];
  for (int begin = s * slice; begin < slice_end; begin += PANEL_PIXELS) {
    const int end = min(begin + PANEL_PIXELS, slice_end);
    for (int j = 0; j < m; j += PANEL_CHANNELS) {
      transpose_panel(second + j * right_plane + begin, right_plane, min(m - j, PANEL_CHANNELS), end - begin, panel);
      panel_product(first + begin, left_plane, 0, panel, 0, 1, end - begin, sum + j, m, m, m - j);
    }
    for (int i = 0; squares && i < m; ++i) {
      add_squares(first + i * left_plane, begin, end, sum + m * m + i);
      add_squares(second + i * right_plane, begin, end, sum + m * m + m + i);
    }
  }
}
#endif

#ifndef CPU_DEVICE
// For GPUs. One work-group: NT_TILE rows and columns (dimension 0) of one of `slices` slices (1) of one image and head (2).
__kernel __attribute__((reqd_work_group_size(NT_GROUP, 1, 1))) void attention_gram_tiles(
    ACTIVATION_IN(left), ACTIVATION_IN(right), __global const float *previous, ulong previous_offset,
    __global float *partial, ulong partial_offset, int pixels, int m, int heads, int left_part,
    int right_part, int slice, int squares, int adds, int slices) {
  __local float2 memory[NT_MEMORY];
  MATRIX_MEMORY(NT_GROUP)
  const int item = (int)get_local_id(0), tiles = (m + NT_TILE - 1) / NT_TILE;
  const int row = NT_TILE * ((int)get_group_id(0) / tiles), column = NT_TILE * ((int)get_group_id(0) % tiles);
  const int s = (int)get_global_id(1), n = (int)get_global_id(2) / heads, head = (int)get_global_id(2) % heads;
  const ulong place = ((ulong)get_global_id(2) * slices + s) * HEAD_SUMS(m);
  __global const in_t *first = HEAD_PLANE(left, n, left_part, head) + row * left_plane;
  __global const in_t *second = HEAD_PLANE(right, n, right_part, head) + column * right_plane;
  __global const float *before = previous + previous_offset + place;
  __global float *out = partial + partial_offset + place;
  if (row == 0 && column == 0)
    for (int i = m * (m + 2) + item; i < HEAD_SUMS(m); i += NT_GROUP) out[i] = adds ? before[i] : 0.0f;
  // A slice may be empty, and has its sums all the same.
  int begin = min(s * slice, pixels);
  const int end = min(begin + slice, pixels);
  do {
    float2 sum[NT_SIDE][NT_PAIRS];
    float share[2][NT_SHARE];
    nt_sums(
        first, left_plane, m - row, second, right_plane, m - column, begin, min(begin + NT_RUN, end), memory, sum,
        share MATRIX_ARGUMENT);
    nt_lay_out(sum, memory);
    for (int e = item; e < NT_TILE * NT_TILE; e += NT_GROUP) {
      const int r = row + e / NT_TILE, c = column + e % NT_TILE, at = r * m + c;
      if (r < m && c < m) out[at] = ((__local float *)memory)[e] + (adds ? before[at] : 0.0f);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (squares) {
      // The items that brought parts of a row put their squares together.
      __local float *parts = (__local float *)memory;
#pragma unroll
      for (int i = 0; i < NT_SHARE; ++i) {
        parts[i * NT_GROUP + item] = share[0][i];
        parts[(NT_SHARE + i) * NT_GROUP + item] = share[1][i];
      }
      barrier(CLK_LOCAL_MEM_FENCE);
      if (item < NT_TILE) {
        const float4 of_row = vload4(item, parts), of_column = vload4(NT_TILE + item, parts);
        const int i = m * m + row + item, j = m * m + m + column + item;
        if (column == 0 && row + item < m) out[i] = dot(of_row, (float4)(1.0f)) + (adds ? before[i] : 0.0f);
        if (row == 0 && column + item < m) out[j] = dot(of_column, (float4)(1.0f)) + (adds ? before[j] : 0.0f);
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
    before = out;
    adds = 1;
    begin += NT_RUN;
  } while (begin < end);
}
#endif

#if !HALF_STORAGE  // From here on sums and matrices, float always.
// The slices of each image and head (dimension 1) added up in order; the totals, `total_step` apart, may take the place of
// the first slice. One work-item: VEC sums.
__kernel void attention_gram_sum(
    __global const float *partial, ulong partial_offset, __global float *totals, ulong totals_offset,
    int count, int slices, int total_step) {
  const int first = VEC * (int)get_global_id(0);
  if (first >= count) return;
  __global const float *sum =
      partial + partial_offset + (ulong)get_global_id(1) * slices * count + first;
  vec total = load_vec(sum);
  for (int s = 1; s < slices; ++s) total += load_vec(sum + (ulong)s * count);
  store_vec(total, count - first, totals + totals_offset + (ulong)get_global_id(1) * total_step + first);
}

// How the items of a group share the columns of a row: up to m of them side by side, and what items are left over in parts that
// take turns at what is to be added up.
#define ROW_COLUMNS (min(m, (int)get_local_size(0)))
#define ROW_COLUMN ((int)get_local_id(0) % ROW_COLUMNS)
#define ROW_PART ((int)get_local_id(0) / ROW_COLUMNS)
#define ROW_PARTS ((int)get_local_size(0) / ROW_COLUMNS)

// The sum of `count` values `step` apart, which the parts of a column add up together, in the first part's item.
INLINE float column_sum(__global const float *value, int count, ulong step, bool is_there, int m, __local float *shared) {
  float sum = 0.0f;
  if (is_there && ROW_PART < ROW_PARTS)
    for (int i = ROW_PART; i < count; i += ROW_PARTS) sum += value[i * step];
  shared[get_local_id(0)] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (ROW_PART == 0)
    for (int part = 1; part < ROW_PARTS; ++part) sum += shared[part * ROW_COLUMNS + ROW_COLUMN];
  barrier(CLK_LOCAL_MEM_FENCE);
  return sum;
}

// Norms, cosines and their softmax. One work-group: one row (dimension 0) of one head of one image (1), of which it adds up
// `summed` of `slices` slices.
__kernel void attention_softmax(
    __global const float *restrict partial, ulong partial_offset, TENSOR_IN(t), TENSOR_OUT(a),
    TENSOR_OUT(cosine), TENSOR_OUT(norms), int m, int heads, int slices, int summed) {
  __local float shared[GROUP_SIZE];
  const int i = (int)get_group_id(0), n = (int)get_global_id(1) / heads,
            head = (int)get_global_id(1) % heads;
  const int item = (int)get_local_id(0), items = (int)get_local_size(0);
  __global const float *sums = partial + partial_offset + (ulong)get_global_id(1) * slices * HEAD_SUMS(m);
  __global const float *squares = sums + m * m;
  __global float *row = PLANE(a, n, head) + i * m, *g = PLANE(cosine, n, head) + i * m;
  float square = 0.0f;
  for (int s = item; s < summed; s += items) square += squares[(ulong)s * HEAD_SUMS(m) + i];
  const float q = fmax(sqrt(group_sum(square, shared)), NORM_FLOOR);
  const float scale = PLANE(t, 0, head)[0];
  float largest = -INFINITY;
  for (int first = 0; first < m; first += ROW_COLUMNS) {
    const int j = first + ROW_COLUMN;
    square = column_sum(squares + m + j, summed, HEAD_SUMS(m), j < m, m, shared);
    const float product = column_sum(sums + i * m + j, summed, HEAD_SUMS(m), j < m, m, shared);
    if (j >= m || ROW_PART > 0) continue;
    const float k = fmax(sqrt(square), NORM_FLOOR);
    g[j] = product / q / k;
    largest = fmax(largest, g[j] * scale);
    if (j != i) continue;
    HEAD_PLANE(norms, n, 0, head)[i * norms_plane] = q;
    HEAD_PLANE(norms, n, 1, head)[i * norms_plane] = k;
  }
  largest = group_largest(largest, shared);
  float total = 0.0f;
  for (int j = item; j < m; j += items) {
    row[j] = exp(g[j] * scale - largest);
    total += row[j];
  }
  total = group_sum(total, shared);
  for (int j = item; j < m; j += items) row[j] /= total;
}

// M = W_o A: the output projection [c, c] times the heads' attention weights, [c, c]. One work-item: BLOCK_COLUMNS columns
// (dimension 0) and `rows` rows (1) of one head's columns (2).
__kernel void attention_project(
    __global const float *restrict a, ulong a_offset, TENSOR_IN(w), TENSOR_OUT(y), int m, int heads, int rows) {
  const int first = BLOCK_COLUMNS * (int)get_global_id(0), head = (int)get_global_id(2);
  const int channels = m * heads, row_begin = rows * (int)get_global_id(1);
  if (first >= m) return;
  product(
      a + a_offset + (ulong)head * m * m, m, PLANE(w, 0, 0) + head * m, channels, 1, 0, 0, 0, 0,
      PLANE(y, 0, 0) + head * m, channels, first, m, m, row_begin, min(row_begin + rows, channels));
}
#endif

#ifdef CPU_DEVICE
// y = A v. One work-item: `columns` pixels (dimension 0), `rows` rows of a head (1), one image (2).
__kernel void attention_apply(
    TENSOR_IN(a), ACTIVATION_IN(qkv), ACTIVATION_OUT(y), int pixels, int m, int heads, int columns, int rows) {
  const int begin = columns * (int)get_global_id(0), strips = (m + rows - 1) / rows;
  const int head = (int)get_global_id(1) / strips, n = (int)get_global_id(2);
  const int row_begin = rows * ((int)get_global_id(1) % strips);
  if (head >= heads) return;
  const int end = min(begin + columns, pixels);
  for (int first = begin; first < end; first += BLOCK_COLUMNS)
    product(
        HEAD_PLANE(qkv, n, 2, head), qkv_plane, PLANE(a, n, head), m, 1, 0, 0, 0, 0,
        HEAD_PLANE(y, n, 0, head), y_plane, first, pixels, m, row_begin, min(row_begin + rows, m));
}
#else
#ifndef HEAD_ITEM_ROWS
#error "HEAD_ITEM_ROWS: rows of a head of one work-item, a multiple of 4, such as 12"
#endif
#ifndef HEAD_ROW_ITEMS
#error "HEAD_ROW_ITEMS: work-items of a group along rows of a head, such as 4"
#endif
#ifndef HEAD_COLUMN_ITEMS
#error "HEAD_COLUMN_ITEMS: work-items of a group along pixels, four for each, such as 16"
#endif
#define HEAD_ROWS (HEAD_ITEM_ROWS * HEAD_ROW_ITEMS)
#define HEAD_GROUP (HEAD_ROW_ITEMS * HEAD_COLUMN_ITEMS)
#define HEAD_DEPTH 48  // columns of the matrix in local memory at a time: all of the paper's
// Four more than used: what a group writes at once is spread over the banks.
#define HEAD_PITCH (HEAD_ROWS + 4)
#define HEAD_MEMORY (HEAD_DEPTH * HEAD_PITCH / 4)

// For GPUs. Rows row_begin .. row_begin + HEAD_ROWS - 1 of y[o, p] = sum_i w[o * w_row + i * w_column] x[i, p] + scale[o] r[o, p],
// i and o below m, for the pixels of a group; r may be null. The matrix passes through local memory; a column of x is read as it
// is, by the few items of a group that share its pixels.
INLINE void head_product(
    __global const in_t *x, ulong x_plane, __global const float *w, int w_row, int w_column, __global const in_t *r,
    ulong r_plane, __global const float *scale, __global out_t *y, ulong y_plane, int pixels, int m, int row_begin,
    __local float4 *matrix) {
  const int column = (int)get_local_id(0) % HEAD_COLUMN_ITEMS, strip = (int)get_local_id(0) / HEAD_COLUMN_ITEMS;
  const int p = 4 * (HEAD_COLUMN_ITEMS * (int)get_group_id(0) + column);
  // Pixels beyond the end repeat the last vector, and are not stored.
  x += min(p, (pixels - 1) / 4 * 4);
  float4 sum[HEAD_ITEM_ROWS];
#pragma unroll
  for (int i = 0; i < HEAD_ITEM_ROWS; ++i) sum[i] = (float4)(0.0f);
  for (int begin = 0; begin < m; begin += HEAD_DEPTH) {
    const int depth = min(HEAD_DEPTH, m - begin);
    barrier(CLK_LOCAL_MEM_FENCE);
    // Neighbouring items take neighbouring elements, whichever way the matrix is read.
    for (int a = strip; a < max(HEAD_ROWS, HEAD_DEPTH); a += HEAD_ROW_ITEMS)
      for (int b = column; b < max(HEAD_ROWS, HEAD_DEPTH); b += HEAD_COLUMN_ITEMS) {
        const int i = w_column == 1 ? b : a, o = w_column == 1 ? a : b;
        if (i >= HEAD_DEPTH || o >= HEAD_ROWS) continue;
        const bool is_there = i < depth && row_begin + o < m;
        ((__local float *)matrix)[i * HEAD_PITCH + o] =
            is_there ? w[(ulong)(row_begin + o) * w_row + (ulong)(begin + i) * w_column] : 0.0f;
      }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < depth; i += 4) {
      float4 value[4];
#pragma unroll
      // Behind the last column there are zeros in the matrix.
      for (int k = 0; k < 4; ++k) value[k] = four_at(x + (ulong)min(begin + i + k, m - 1) * x_plane);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        __local const float4 *weights = matrix + (i + k) * (HEAD_PITCH / 4) + strip * (HEAD_ITEM_ROWS / 4);
#pragma unroll
        for (int o = 0; o < HEAD_ITEM_ROWS / 4; ++o) {
          const float4 weight = weights[o];
          sum[4 * o] = fma(value[k], (float4)(weight.x), sum[4 * o]);
          sum[4 * o + 1] = fma(value[k], (float4)(weight.y), sum[4 * o + 1]);
          sum[4 * o + 2] = fma(value[k], (float4)(weight.z), sum[4 * o + 2]);
          sum[4 * o + 3] = fma(value[k], (float4)(weight.w), sum[4 * o + 3]);
        }
      }
    }
  }
  if (p >= pixels) return;
#pragma unroll
  for (int i = 0; i < HEAD_ITEM_ROWS; ++i) {
    const int o = row_begin + strip * HEAD_ITEM_ROWS + i;
    if (o >= m) break;
    const float4 value = r ? fma(four_at(r + o * r_plane + p), (float4)(scale[o]), sum[i]) : sum[i];
    put_four(value, pixels - p, y + o * y_plane + p);
  }
}

// y = A v. One work-group: 4 HEAD_COLUMN_ITEMS pixels (dimension 0), HEAD_ROWS rows of a head (1), one image (2).
__kernel __attribute__((reqd_work_group_size(HEAD_GROUP, 1, 1))) void attention_apply_tiles(
    TENSOR_IN(a), ACTIVATION_IN(qkv), ACTIVATION_OUT(y), int pixels, int m, int heads) {
  __local float4 matrix[HEAD_MEMORY];
  const int strips = (m + HEAD_ROWS - 1) / HEAD_ROWS, head = (int)get_group_id(1) / strips, n = (int)get_group_id(2);
  head_product(
      HEAD_PLANE(qkv, n, 2, head), qkv_plane, PLANE(a, n, head), m, 1, 0, 0, 0, HEAD_PLANE(y, n, 0, head), y_plane,
      pixels, m, HEAD_ROWS * ((int)get_group_id(1) % strips), matrix);
}
#endif

#if !HALF_STORAGE  // Sums and matrices, float always.
// From dA (the sums of gy_i . v_j): dS = A (dA - sum_j A dA), the gradient of the temperature's share, the matrix
// P_ij = t dS_ij / (|q_i| |k_j|) of the input gradient, and the factor of q_i in it, -sum_j C_ij / |q_i|^2, none where the
// norm was raised to NORM_FLOOR. One work-group: one row of one head of one image, as in attention_softmax.
// small: per image and head P [m][m], C = t dS G [m][m], then a row of shares of the temperature's gradient [m].
// factors: per image and head [q, k][m].
__kernel void attention_backward_softmax(
    __global const float *restrict partial, ulong partial_offset, TENSOR_IN(norms), TENSOR_IN(t),
    TENSOR_IN(a), TENSOR_IN(cosine), __global float *restrict small, ulong small_offset,
    __global float *restrict factors, ulong factors_offset, int m, int heads, int slices, int summed) {
  __local float shared[GROUP_SIZE];
  const int i = (int)get_group_id(0), n = (int)get_global_id(1) / heads,
            head = (int)get_global_id(1) % heads;
  const int item = (int)get_local_id(0), items = (int)get_local_size(0);
  __global const float *sums =
      partial + partial_offset + (ulong)get_global_id(1) * slices * HEAD_SUMS(m) + i * m;
  __global const float *row = PLANE(a, n, head) + i * m, *g = PLANE(cosine, n, head) + i * m;
  __global float *out = small + small_offset + (ulong)get_global_id(1) * (2 * m * m + m);
  __global float *p = out + i * m, *product_row = out + m * m + i * m;
  const float q = HEAD_PLANE(norms, n, 0, head)[i * norms_plane], scale = PLANE(t, 0, head)[0];
  float mean = 0.0f, share = 0.0f, along = 0.0f;
  for (int first = 0; first < m; first += ROW_COLUMNS) {
    const int j = first + ROW_COLUMN;
    const float gradient = column_sum(sums + j, summed, HEAD_SUMS(m), j < m, m, shared);
    if (j >= m || ROW_PART > 0) continue;
    p[j] = gradient;
    mean = fma(row[j], gradient, mean);
  }
  mean = group_sum(mean, shared);
  for (int j = item; j < m; j += items) {
    const float k = HEAD_PLANE(norms, n, 1, head)[j * norms_plane];
    const float gradient = row[j] * (p[j] - mean);
    share = fma(gradient, g[j], share);
    product_row[j] = scale * gradient * g[j];
    along += product_row[j];
    p[j] = scale * gradient / q / k;
  }
  share = group_sum(share, shared);
  along = group_sum(along, shared);
  if (item > 0) return;
  out[2 * m * m + i] = share;
  factors[factors_offset + (ulong)get_global_id(1) * 2 * m + i] = q > NORM_FLOOR ? -along / q / q : 0.0f;
}

// The factors of k_j, -sum_i C_ij / |k_j|^2, and the temperature's gradient: rows and images added up, in order.
// One work-group: one head of all images (dimension 1).
__kernel void attention_backward_columns(
    __global const float *restrict small, ulong small_offset, TENSOR_IN(norms),
    __global float *restrict factors, ulong factors_offset, TENSOR_OUT(gt), int m, int heads, int images) {
  __local float shared[GROUP_SIZE];
  const int head = (int)get_global_id(1);
  float total = 0.0f;
  for (int n = 0; n < images; ++n) {
    const ulong place = (ulong)n * heads + head;
    __global const float *c = small + small_offset + place * (2 * m * m + m) + m * m;
    for (int first = 0; first < m; first += ROW_COLUMNS) {
      const int j = first + ROW_COLUMN;
      const float along = column_sum(c + j, m, m, j < m, m, shared);
      if (j >= m || ROW_PART > 0) continue;
      const float k = HEAD_PLANE(norms, n, 1, head)[j * norms_plane];
      factors[factors_offset + place * 2 * m + m + j] = k > NORM_FLOOR ? -along / k / k : 0.0f;
      total += c[m * m + j];
    }
  }
  total = group_sum(total, shared);
  if (get_local_id(0) == 0) PLANE(gt, 0, head)[0] = total;
}
#endif

#ifdef CPU_DEVICE
// dq = P k + f_q q, dk = P^T q + f_k k, dv = A^T gy. One work-item: `columns` pixels (dimension 0),
// `rows` rows of `parts` of the three parts of a head (1), one image (2).
__kernel void attention_backward_apply(
    ACTIVATION_IN(qkv), TENSOR_IN(a), ACTIVATION_IN(g), __global const float *restrict small, ulong small_offset,
    __global const float *restrict factors, ulong factors_offset, ACTIVATION_OUT(gqkv), int pixels, int m,
    int heads, int columns, int rows, int parts) {
  const int begin = columns * (int)get_global_id(0), strips = (m + rows - 1) / rows;
  const int row_begin = rows * ((int)get_global_id(1) % strips);
  const int part_begin = parts * ((int)get_global_id(1) / strips / heads);
  const int head = (int)get_global_id(1) / strips % heads;
  const int n = (int)get_global_id(2), row_end = min(row_begin + rows, m);
  if (part_begin >= 3) return;
  __global const float *p = small + small_offset + (ulong)(n * heads + head) * (2 * m * m + m);
  __global const float *f = factors + factors_offset + (ulong)(n * heads + head) * 2 * m;
  __global const in_t *q = HEAD_PLANE(qkv, n, 0, head), *k = HEAD_PLANE(qkv, n, 1, head);
  const int end = min(begin + columns, pixels);
  for (int first = begin; first < end; first += BLOCK_COLUMNS)
    for (int part = part_begin; part < part_begin + parts; ++part) {
      __global out_t *out = HEAD_PLANE(gqkv, n, part, head);
      if (part == 0)
        product(
            k, qkv_plane, p, m, 1, 0, q, qkv_plane, f, out, gqkv_plane, first, pixels, m, row_begin, row_end);
      else if (part == 1)
        product(
            q, qkv_plane, p, 1, m, 0, k, qkv_plane, f + m, out, gqkv_plane, first, pixels, m, row_begin,
            row_end);
      else
        product(
            HEAD_PLANE(g, n, 0, head), g_plane, PLANE(a, n, head), 1, m, 0, 0, 0, 0, out, gqkv_plane, first,
            pixels, m, row_begin, row_end);
    }
}
#else
// The same for GPUs. One work-group: 4 HEAD_COLUMN_ITEMS pixels (dimension 0), HEAD_ROWS rows of one of the three parts of a
// head (1), one image (2).
__kernel __attribute__((reqd_work_group_size(HEAD_GROUP, 1, 1))) void attention_backward_apply_tiles(
    ACTIVATION_IN(qkv), TENSOR_IN(a), ACTIVATION_IN(g), __global const float *restrict small, ulong small_offset,
    __global const float *restrict factors, ulong factors_offset, ACTIVATION_OUT(gqkv), int pixels, int m, int heads) {
  __local float4 matrix[HEAD_MEMORY];
  const int strips = (m + HEAD_ROWS - 1) / HEAD_ROWS, head = (int)get_group_id(1) / strips % heads;
  const int part = (int)get_group_id(1) / strips / heads, n = (int)get_group_id(2);
  const bool is_q = part == 0, is_v = part == 2;
  __global const float *p = small + small_offset + (ulong)(n * heads + head) * (2 * m * m + m);
  __global const float *f = factors + factors_offset + (ulong)(n * heads + head) * 2 * m;
  // k goes into dq, q into dk, gy into dv.
  __global const in_t *x = is_v ? HEAD_PLANE(g, n, 0, head) : HEAD_PLANE(qkv, n, 1 - part, head);
  head_product(
      x, is_v ? g_plane : qkv_plane, is_v ? PLANE(a, n, head) : p, is_q ? m : 1, is_q ? 1 : m,
      is_v ? 0 : HEAD_PLANE(qkv, n, part, head), qkv_plane, f + part * m, HEAD_PLANE(gqkv, n, part, head), gqkv_plane,
      pixels, m, HEAD_ROWS * ((int)get_group_id(1) % strips), matrix);
}
#endif

// ---- LocalAttention ----
// Channel attention with the statistics of windows. Along a side of `size` pixels window i starts at
// min(i * step, size - window); the windows' starts and ends cut it into cells. Per image and head of m channels:
// sums over the cells, [cell][slice][products m m, squares of q m, of k m]; A_w = softmax_j (t G_w) of every window from
// the sums of its cells, [window][m][m]; their mean over the windows above each cell, [cell][m][m], or with the projection
// M = W_o mean A, [cell][c][c]; y = mean A v, or x + M v + b.
// A band of rows, from `first_row` of the image on, adds to the sums of the cells that it has pixels of, and starts those of
// cells that begin in it. qk: [1, 2 c, rows, w], v and y: [1, c, rows, w]. A cell's pixels in a band, line by line, are summed
// in `slices` runs.
//
// Indices:
//
//             0        s_1      e_0      e_1 = size
//   window 0  |-----------------|                      G_w is summed over the cells below window w,
//   window 1           |-----------------|             mean A over the windows above a cell
//   cells     |   0    |   1    |   2    |
//
//   local_gram: slices of the band's cells (1), heads (2); local_gram_tiles: tiles of products (0) beside them
//   local_softmax: rows of a window (0), windows (1), heads (2)
//   local_mean: elements (0), cells (1), heads (2)
//   local_project: columns of a head (0), rows (1), cells and heads (2)
//   local_apply: blocks of pixels of a cell's line (0), rows of a head (1), lines (2)
//
// Tunables: the panel's, BLOCK_ROWS and BLOCK_VECTORS; for GPUs LOCAL_TILE. NORM_FLOOR is fixed.

#ifndef LOCAL_TILE
#error "LOCAL_TILE: rows and columns of products of a work-group, three by three for each item, such as 24"
#endif
#ifndef NORM_FLOOR
#error "NORM_FLOOR: the least norm of a row of q or k, such as 1e-12f"
#endif
#define LOCAL_STEP 32  // pixels of a tile in local memory

#define LOCAL_AXES \
  int height, int window_height, int step_down, int windows_down, int cells_down, int width, int window_width, \
      int step_across, int windows_across, int cells_across, int m
#define LOCAL_SUMS (m * (m + 2))

INLINE int window_start(int index, int size, int window, int step) { return min(index * step, size - window); }

// The cut before cell `index`: starts and ends of the windows in order. Windows overlap their neighbours by less than half,
// or only the last two do.
INLINE int cell_cut(int index, int size, int window, int step, int windows, int cells) {
  if (index >= cells) return size;
  if (step == window) return index < windows ? window_start(index, size, window, step) : (windows - 1) * step;
  if (index % 2) return window_start((index + 1) / 2, size, window, step);
  return index ? (index / 2 - 1) * step + window : 0;
}

// The cells of a window: the first, and the one behind the last.
INLINE int2 window_cells(int index, int size, int window, int step, int windows, int cells) {
  if (step == window) return (int2)(index, index + 1 + (index + 2 >= windows && size % step > 0 ? 1 : 0));
  return (int2)(max(0, 2 * index - 1), min(cells, 2 * index + 2));
}

// The windows over the cell that starts at `first`: the first, and the one behind the last.
INLINE int2 windows_over(int first, int size, int window, int step, int windows) {
  return (int2)(
      first < window ? 0 : min((first - window) / step + 1, windows - 1),
      first < size - window ? first / step + 1 : windows);
}

// The cell that a pixel lies in: not far from those of the window that starts before it.
INLINE int cell_at(int pixel, int size, int window, int step, int windows, int cells) {
  int cell = max(0, (step < window ? 2 : 1) * min(pixel / step, windows - 1) - 2);
  while (cell_cut(cell + 1, size, window, step, windows, cells) <= pixel) ++cell;
  return cell;
}

#define ROW_AXIS height, window_height, step_down, windows_down
#define COLUMN_AXIS width, window_width, step_across, windows_across
#define ROW_CUT(index) cell_cut(index, ROW_AXIS, cells_down)
#define COLUMN_CUT(index) cell_cut(index, COLUMN_AXIS, cells_across)

// What the band first_row .. last_row - 1 has of a cell, and the run `begin` .. `end` - 1 of its pixels that is a slice:
// pixel p is in line top + p / across of the image and in column left + p % across.
#define LOCAL_REGION(cell, slice) \
  const int cell_top = ROW_CUT((cell) / cells_across), top = max(cell_top, first_row); \
  const int left = COLUMN_CUT((cell) % cells_across), across = COLUMN_CUT((cell) % cells_across + 1) - left; \
  const int pixels = (min(ROW_CUT((cell) / cells_across + 1), last_row) - top) * across; \
  const int length = (pixels + slices - 1) / slices; \
  const int begin = min((slice) * length, pixels), end = min(begin + length, pixels)
// Where such a pixel lies in the planes of the band.
#define LOCAL_PIXEL(p) ((top - first_row + (p) / across) * width + left + (p) % across)

#ifdef CPU_DEVICE
// For CPUs. One work-item: one slice of one of the cells from first_cell on (dimension 1) of one head (2). `previous` holds
// the sums of the bands before; it may be `sums` itself.
__kernel void local_gram(
    ACTIVATION_IN(qk), __global const float *previous, ulong previous_offset, __global float *sums, ulong sums_offset,
    LOCAL_AXES, int heads, int slices, int first_row, int last_row, int first_cell) {
  const int cell = first_cell + (int)get_global_id(1) / slices, slice = (int)get_global_id(1) % slices;
  const int head = (int)get_global_id(2);
  LOCAL_REGION(cell, slice);
  const ulong place = (((ulong)head * cells_down * cells_across + cell) * slices + slice) * LOCAL_SUMS;
  __global float *sum = sums + sums_offset + place;
  __global const float *before = previous + previous_offset + place;
  for (int index = 0; index < LOCAL_SUMS; ++index) sum[index] = cell_top < first_row ? before[index] : 0.0f;
  __global const in_t *q = PLANE(qk, 0, head * m), *k = PLANE(qk, 0, (heads + head) * m);
  float panel[PANEL_PIXELS * PANEL_CHANNELS];
  int count;
  for (int p = begin; p < end; p += count) {
    count = min(min(across - p % across, end - p), PANEL_PIXELS);
    const int at = LOCAL_PIXEL(p);
    for (int j = 0; j < m; j += PANEL_CHANNELS) {
      transpose_panel(k + (ulong)j * qk_plane + at, qk_plane, min(m - j, PANEL_CHANNELS), count, panel);
      panel_product(q + at, qk_plane, 0, panel, 0, 1, count, sum + j, m, m, m - j);
    }
    for (int i = 0; i < m; ++i) {
      add_squares(q + (ulong)i * qk_plane, at, at + count, sum + m * m + i);
      add_squares(k + (ulong)i * qk_plane, at, at + count, sum + m * m + m + i);
    }
  }
}
#endif

// For GPUs. One work-group of 8 x 8 items: LOCAL_TILE rows and columns (dimension 0) of one slice of one of the cells from
// first_cell on (1) of one head (2), LOCAL_STEP pixels at a time in local memory.
__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void local_gram_tiles(
    ACTIVATION_IN(qk), __global const float *previous, ulong previous_offset, __global float *sums, ulong sums_offset,
    LOCAL_AXES, int heads, int slices, int first_row, int last_row, int first_cell) {
  __local float rows[LOCAL_TILE][LOCAL_STEP + 1], columns[LOCAL_TILE][LOCAL_STEP + 1];
  const int item = (int)get_local_id(0), tiles = (m + LOCAL_TILE - 1) / LOCAL_TILE;
  const int row = LOCAL_TILE * ((int)get_group_id(0) / tiles), column = LOCAL_TILE * ((int)get_group_id(0) % tiles);
  const int cell = first_cell + (int)get_global_id(1) / slices, slice = (int)get_global_id(1) % slices;
  const int head = (int)get_global_id(2);
  LOCAL_REGION(cell, slice);
  __global const in_t *q = PLANE(qk, 0, head * m), *k = PLANE(qk, 0, (heads + head) * m);
  float block[3][3] = {{0.0f}};
  float row_square = 0.0f, column_square = 0.0f;
  for (int p_begin = begin; p_begin < end; p_begin += LOCAL_STEP) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int index = item; index < LOCAL_TILE * LOCAL_STEP; index += 64) {
      const int i = index / LOCAL_STEP, p = p_begin + index % LOCAL_STEP;
      const ulong pixel = (ulong)LOCAL_PIXEL(p);
      rows[i][index % LOCAL_STEP] = p < end && row + i < m ? READ(q + (row + i) * qk_plane + pixel) : 0.0f;
      columns[i][index % LOCAL_STEP] = p < end && column + i < m ? READ(k + (column + i) * qk_plane + pixel) : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int p = 0; p < LOCAL_STEP; ++p)
#pragma unroll
      for (int a = 0; a < 3; ++a)
#pragma unroll
        for (int b = 0; b < 3; ++b)
          block[a][b] = fma(rows[item / 8 + 8 * a][p], columns[item % 8 + 8 * b][p], block[a][b]);
    if (item < LOCAL_TILE)
      for (int p = 0; p < LOCAL_STEP; ++p) {
        row_square = fma(rows[item][p], rows[item][p], row_square);
        column_square = fma(columns[item][p], columns[item][p], column_square);
      }
  }
  const ulong place = (((ulong)head * cells_down * cells_across + cell) * slices + slice) * LOCAL_SUMS;
  __global float *sum = sums + sums_offset + place;
  __global const float *before = previous + previous_offset + place;
  const bool adds = cell_top < first_row;
#pragma unroll
  for (int a = 0; a < 3; ++a)
#pragma unroll
    for (int b = 0; b < 3; ++b) {
      const int i = row + item / 8 + 8 * a, j = column + item % 8 + 8 * b;
      if (i < m && j < m) sum[i * m + j] = block[a][b] + (adds ? before[i * m + j] : 0.0f);
    }
  if (item >= LOCAL_TILE) return;
  const int q_place = m * m + row + item, k_place = m * m + m + column + item;
  if (column == 0 && row + item < m) sum[q_place] = row_square + (adds ? before[q_place] : 0.0f);
  if (row == 0 && column + item < m) sum[k_place] = column_square + (adds ? before[k_place] : 0.0f);
}

// One of a window's sums: number `index` of all its cells and their slices, in order.
INLINE float window_sum(__global const float *sums, int index, int2 down, int2 over, int cells_across, int slices, int m) {
  float total = 0.0f;
  for (int y = down.x; y < down.y; ++y)
    for (int x = over.x; x < over.y; ++x)
      total += sum_of_slices(sums + (ulong)(y * cells_across + x) * slices * LOCAL_SUMS + index, slices, LOCAL_SUMS);
  return total;
}

// One work-group: one row (dimension 0) of the weights of one window (1) of one head (2).
__kernel void local_softmax(
    __global const float *restrict sums, ulong sums_offset, TENSOR_IN(t), __global float *restrict weights,
    ulong weights_offset, LOCAL_AXES, int slices) {
  __local float shared[GROUP_SIZE];
  const int i = (int)get_group_id(0), window = (int)get_global_id(1), head = (int)get_global_id(2);
  const int item = (int)get_local_id(0), items = (int)get_local_size(0);
  const int2 down = window_cells(window / windows_across, ROW_AXIS, cells_down);
  const int2 over = window_cells(window % windows_across, COLUMN_AXIS, cells_across);
  __global const float *from = sums + sums_offset + (ulong)head * cells_down * cells_across * slices * LOCAL_SUMS;
  __global float *row = weights + weights_offset + (((ulong)head * windows_down * windows_across + window) * m + i) * m;
  const float q = fmax(sqrt(window_sum(from, m * m + i, down, over, cells_across, slices, m)), NORM_FLOOR);
  const float scale = PLANE(t, 0, head)[0];
  float largest = -INFINITY;
  for (int j = item; j < m; j += items) {
    const float k = fmax(sqrt(window_sum(from, m * m + m + j, down, over, cells_across, slices, m)), NORM_FLOOR);
    row[j] = scale * (window_sum(from, i * m + j, down, over, cells_across, slices, m) / q / k);
    largest = fmax(largest, row[j]);
  }
  largest = group_largest(largest, shared);
  float total = 0.0f;
  for (int j = item; j < m; j += items) {
    row[j] = exp(row[j] - largest);
    total += row[j];
  }
  total = group_sum(total, shared);
  for (int j = item; j < m; j += items) row[j] /= total;
}

// One work-item: one element (dimension 0) of the mean weights of one cell (1) of one head (2).
__kernel void local_mean(
    __global const float *restrict weights, ulong weights_offset, __global float *restrict means, ulong means_offset,
    LOCAL_AXES) {
  const int element = (int)get_global_id(0), cell = (int)get_global_id(1), head = (int)get_global_id(2);
  if (element >= m * m) return;
  const int2 down = windows_over(ROW_CUT(cell / cells_across), ROW_AXIS);
  const int2 over = windows_over(COLUMN_CUT(cell % cells_across), COLUMN_AXIS);
  __global const float *from = weights + weights_offset + (ulong)head * windows_down * windows_across * m * m;
  float total = 0.0f;
  for (int y = down.x; y < down.y; ++y)
    for (int x = over.x; x < over.y; ++x) total += from[(ulong)(y * windows_across + x) * m * m + element];
  means[means_offset + ((ulong)head * cells_down * cells_across + cell) * m * m + element] =
      total / ((down.y - down.x) * (over.y - over.x));
}

#if !HALF_STORAGE  // Matrices are float always.
// M = W_o mean A of every cell. One work-item: BLOCK_COLUMNS columns (dimension 0) and `rows` rows (1) of one head's columns of
// one cell (2: cells, each with all heads).
__kernel void local_project(
    __global const float *restrict means, ulong means_offset, TENSOR_IN(w), __global float *restrict matrices,
    ulong matrices_offset, int cells, int m, int heads, int rows) {
  const int first = BLOCK_COLUMNS * (int)get_global_id(0), row_begin = rows * (int)get_global_id(1);
  const int cell = (int)get_global_id(2) / heads, head = (int)get_global_id(2) % heads, channels = m * heads;
  if (first >= m || row_begin >= channels) return;
  product(
      means + means_offset + ((ulong)head * cells + cell) * m * m, m, PLANE(w, 0, 0) + head * m, channels, 1, 0, 0, 0,
      0, matrices + matrices_offset + (ulong)cell * channels * channels + head * m, channels, first, m, m, row_begin,
      min(row_begin + rows, channels));
}
#endif

// y = M v + start + r with the matrix of the cell, heads of m channels; start and r if there are any. One work-item: `columns`
// pixels of one cell's line (dimension 0: cell, then one of `blocks`), `strip` rows of a head (1), one of `lines` lines (2).
__kernel void local_apply(
    __global const float *restrict matrices, ulong matrices_offset, ACTIVATION_IN(v), __global const float *restrict start,
    ulong start_offset, ACTIVATION_IN_SHARED(r), ACTIVATION_OUT_SHARED(y), LOCAL_AXES, int first_row, int lines,
    int blocks, int columns, int strip, int has_start, int has_r) {
  const int column = (int)get_global_id(0) / blocks, strips = (m + strip - 1) / strip;
  const int head = (int)get_global_id(1) / strips, row_begin = strip * ((int)get_global_id(1) % strips);
  const int line = (int)get_global_id(2);
  if (column >= cells_across || line >= lines) return;
  const int row = cell_at(first_row + line, ROW_AXIS, cells_down), right = COLUMN_CUT(column + 1);
  const int begin = COLUMN_CUT(column) + columns * ((int)get_global_id(0) % blocks), end = min(begin + columns, right);
  __global const float *matrix =
      matrices + matrices_offset + ((ulong)head * cells_down * cells_across + row * cells_across + column) * m * m;
  for (int first = line * width + begin; first < line * width + end; first += BLOCK_COLUMNS)
    product(
        PLANE(v, 0, head * m), v_plane, matrix, m, 1, has_start ? start + start_offset + head * m : 0,
        has_r ? PLANE(r, 0, head * m) : 0, r_plane, 0, PLANE(y, 0, head * m), y_plane, first, line * width + right, m,
        row_begin, min(row_begin + strip, m));
}
