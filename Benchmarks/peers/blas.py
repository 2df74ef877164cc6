#!/usr/bin/env python3
"""Times the BLAS of NumPy (OpenBLAS) at the model's 1x1 convolutions, to be compared with `restormer bench ops -d cpu`.

usage: OPENBLAS_NUM_THREADS=2 blas.py
"""

import time

import numpy

RECTANGLES = [  # outputs, inputs, pixels of the paper's network at 256x256
    (48, 48, 65536), (144, 48, 65536), (254, 48, 65536), (48, 127, 65536), (96, 96, 65536), (288, 96, 65536),
    (510, 96, 65536), (96, 255, 65536), (288, 96, 16384), (510, 96, 16384), (96, 255, 16384), (576, 192, 4096),
    (1020, 192, 4096), (192, 510, 4096), (1152, 384, 1024), (2042, 384, 1024), (384, 1021, 1024),
]


def main():
    for outputs, inputs, pixels in RECTANGLES:
        weight = numpy.random.rand(outputs, inputs).astype(numpy.float32)
        image = numpy.random.rand(inputs, pixels).astype(numpy.float32)
        result = numpy.empty((outputs, pixels), numpy.float32)
        seconds = []
        for _ in range(6):
            start = time.perf_counter()
            numpy.matmul(weight, image, out=result)
            seconds.append(time.perf_counter() - start)
        rate = 2e-9 * outputs * inputs * pixels / sorted(seconds[1:])[2]
        print(f"{outputs:5} x {inputs:4} x {pixels:6}  {rate:6.1f} GFLOP/s")


if __name__ == "__main__":
    main()
