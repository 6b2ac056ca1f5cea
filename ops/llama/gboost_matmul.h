/* A kernel of matrix products that ggml's library is given (gboost_matmul.cpp). */
#ifndef GBOOST_MATMUL_H
#define GBOOST_MATMUL_H

#ifdef __cplusplus
extern "C" {
#endif

/* 1 where Q4_1 weights are multiplied by the kernel: with AVX2, FMA and F16C. */
int gboost_multiplies_q4_1(void);

#ifdef __cplusplus
}
#endif
#endif
