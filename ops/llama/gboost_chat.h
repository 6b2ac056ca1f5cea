/* What the gateway needs of llama.cpp's C++ side, behind a C interface: the model's own chat template, run by
 * llama.cpp's Jinja with user text kept apart, and the loops over a row of logits that must run optimised even in a
 * debug build of the gateway. No function lets a C++ exception out. */
#ifndef GBOOST_CHAT_H
#define GBOOST_CHAT_H

#include <stddef.h>
#include <stdint.h>
#include <llama.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gboost_chat gboost_chat;

/* Parses the model's chat template; ChatML where the model carries none. NULL with a text in `error` otherwise. */
gboost_chat *gboost_chat_open(const struct llama_model *model, char *error, size_t error_size);
void gboost_chat_close(gboost_chat *chat);
/* 1 where the model carries a template of its own. */
int gboost_chat_is_own(const gboost_chat *chat);

/* Renders `count` messages, with the opening of the assistant's turn. The answer is a sequence of parts, each one
 * byte (1: text that came from a message, 0: text of the template), four bytes of length (host order), the bytes.
 * Returns 0 and a block to be freed with gboost_chat_free, or -1 with a text in `error`. */
int gboost_chat_render(
    const gboost_chat *chat, const char *const *roles, const char *const *contents, size_t count, char **out,
    size_t *out_size, char *error, size_t error_size);
void gboost_chat_free(char *block);

/* One pass over a row of logits. */
typedef struct {
    int32_t best;          /* index of the largest, the first of equals; -1: none is finite */
    float best_logit;
    float log_sum_exp;     /* natural logarithm of the sum of exp(logit) */
    int32_t is_bad;        /* 1 where a value is NaN or +inf, or none is finite */
} gboost_logits;
gboost_logits gboost_logits_scan(const float *logits, int32_t count);

/* Runs a sampler chain over the row; `scratch` holds `count` entries. -1: the chain chose nothing. */
int32_t gboost_logits_sample(
    const float *logits, int32_t count, struct llama_sampler *chain, struct llama_token_data *scratch);

#ifdef __cplusplus
}
#endif
#endif
